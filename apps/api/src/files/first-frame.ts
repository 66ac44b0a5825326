import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import type { ByteRange } from '@comfy-fleet/frames';
import { serveParts } from './serve-parts.js';

/** Longest that the making of a picture may take. */
const MAKING_MS = 20_000;
/** Pixels; a video is not enlarged. */
const MAX_WIDTH = 1024;
/** A JPEG of that width has a tenth of it. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Of what it says about what is wrong, for the log. */
const KEPT_CHARS = 2000;

interface Video {
  readonly ffmpeg: string;
  /** ffmpeg's name for the container. */
  readonly demuxer: string;
  readonly bytes: number;
  /** A larger frame is not decoded. */
  readonly maxPixels: number;
  readonly open: (range: ByteRange) => Promise<Readable | undefined>;
  readonly signal: AbortSignal;
}

/**
 * The first frame of a video as a JPEG. ffmpeg reads what it needs of it over a port of this machine: an MP4 has its index
 * at its end, and the store has no path. Throws no_poster and the signal's reason.
 */
export async function firstFrame({ ffmpeg, demuxer, bytes, maxPixels, open, signal }: Video): Promise<Buffer> {
  const late = () => new FleetError('no_poster', 'The making of the picture took too long.');
  const inTime = joinSignals([signal], { ms: MAKING_MS, reason: late });
  const source = await serveParts({ bytes, open });
  try {
    return await run(ffmpeg, argumentsFor(source.url, demuxer, maxPixels), inTime.signal);
  } catch (error) {
    throw inTime.signal.aborted ? inTime.signal.reason : error;
  } finally {
    inTime.end();
    await source.close();
  }
}

function argumentsFor(url: string, demuxer: string, maxPixels: number): string[] {
  const input = ['-protocol_whitelist', 'http,tcp', '-max_pixels', `${maxPixels}`, '-f', demuxer, '-i', url];
  const picture = ['-an', '-sn', '-dn', '-frames:v', '1', '-vf', `scale='min(${MAX_WIDTH},iw)':-2`];
  return [
    '-nostdin',
    '-v',
    'error',
    '-threads',
    '1',
    ...input,
    ...picture,
    '-c:v',
    'mjpeg',
    '-f',
    'image2pipe',
    'pipe:1',
  ];
}

function run(ffmpeg: string, args: readonly string[], signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(ffmpeg, args, { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-KEPT_CHARS);
    });
    child.once('error', (cause: NodeJS.ErrnoException) => reject(notRun(cause)));
    child.once('close', (code) => {
      if (code === 0 && bytes > 0 && bytes <= MAX_BYTES) resolve(Buffer.concat(chunks));
      else reject(new FleetError('no_poster', 'No picture could be made of this video.', { cause: new Error(said) }));
    });
  });
}

function notRun(cause: NodeJS.ErrnoException): FleetError {
  const detail =
    cause.code === 'ENOENT'
      ? 'Pictures of videos need ffmpeg, which this service does not have.'
      : 'Pictures of videos need ffmpeg, which cannot be run here.';
  return new FleetError('no_poster', detail, { cause });
}
