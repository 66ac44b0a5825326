import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import type { ByteRange, FrameStore } from '@comfy-fleet/frames';
import { createTurns } from '../server/turns.js';
import { shareWork } from './share-work.js';
import { withStorageDeadline } from './storage.js';

/** Each is a process with threads of its own. */
const MAKINGS_AT_A_TIME = 2;
/** What a container is called that ffmpeg is told to expect: left to guess, it would follow a playlist to other addresses. */
const DEMUXERS: Readonly<Record<string, string>> = {
  avi: 'avi',
  m4v: 'mov',
  mkv: 'matroska',
  mov: 'mov',
  mp4: 'mov',
  webm: 'matroska',
};

/** Pictures of videos. */
export interface Posters {
  /**
   * The name under which the picture of a video is in the store of derived pictures; it is made when it is not there, and it is the turn of that key.
   * Undefined when there is no such video, or no longer. Throws no_poster, storage_failed and the signal's reason.
   */
  get(
    filename: string,
    signal: AbortSignal,
    key: string,
  ): Promise<{ readonly name: string; readonly contentType: string } | undefined>;
}

export function createPosters({
  frames,
  derived,
  ffmpeg,
  maxPixels,
}: {
  readonly frames: FrameStore;
  readonly derived: FrameStore;
  readonly ffmpeg: string;
  readonly maxPixels: number;
}): Posters {
  const turns = createTurns(MAKINGS_AT_A_TIME);
  const makings = shareWork<string, boolean>();

  /** False when the video is gone. */
  async function make(filename: string, demuxer: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const found = await frames.stat(filename);
    if (found === undefined) return false;
    const open = (range: { start: number; end: number }) => frames.open(filename, range);
    const picture = await firstFrame({ ffmpeg, demuxer, bytes: found.bytes, maxPixels, open, signal });
    const name = posterName(filename);
    await withStorageDeadline(signal, (inTime) => derived.put(name, [picture], { signal: inTime }));
    if ((await frames.stat(filename)) !== undefined) return true;
    // Deleted meanwhile, by somebody who may have looked here before this was put.
    await derived.delete(name);
    return false;
  }

  return {
    get: async (filename, signal, key) => {
      const demuxer = DEMUXERS[filename.slice(filename.lastIndexOf('.') + 1)];
      // Asked of the video first: what was made of one that is gone does not count any more.
      if ((await frames.stat(filename)) === undefined) return undefined;
      if (demuxer === undefined) throw new FleetError('no_poster', 'Only videos have a poster.');
      const name = posterName(filename);
      const answer = { name, contentType: 'image/jpeg' };
      if ((await derived.stat(name)) !== undefined) return answer;
      const made = await makings.join(name, signal, (all) => turns(key, () => make(filename, demuxer, all)));
      return made ? answer : undefined;
    },
  };
}

/** `<job id>_<n>_poster.jpeg` */
export function posterName(filename: string): string {
  return `${filename.slice(0, filename.lastIndexOf('.'))}_poster.jpeg`;
}

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

interface Source {
  readonly bytes: number;
  readonly open: (range: ByteRange) => Promise<Readable | undefined>;
}

/** Serves one file on a port of this machine, part by part, at an address that nobody can guess. */
export async function serveParts(source: Source): Promise<{ readonly url: string; close(): Promise<void> }> {
  const path = `/${randomBytes(16).toString('hex')}`;
  const server = createServer((request, response) => {
    if (request.url === path) send(source, request, response).catch(() => response.destroy());
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function send({ bytes, open }: Source, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= bytes) {
    response.writeHead(416, { 'Content-Range': `bytes */${bytes}` }).end();
    return;
  }
  const stream = await open({ start, end: bytes - 1 });
  if (stream === undefined) {
    response.writeHead(404).end();
    return;
  }
  const about = { 'Accept-Ranges': 'bytes', 'Content-Length': bytes - start };
  response.writeHead(206, { ...about, 'Content-Range': `bytes ${start}-${bytes - 1}/${bytes}` });
  await pipeline(stream, response);
}
