import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';

const MAKING_MS = 20_000;
/** Pixels; a video is not enlarged. */
const MAX_WIDTH = 1024;
/** Ten times the size of a typical JPEG of that width. */
const MAX_BYTES = 8 * 1024 * 1024;
/** The container format is passed to ffmpeg: if ffmpeg detected it, a playlist could make it fetch other addresses. */
const DEMUXERS: Readonly<Record<string, string>> = {
  avi: 'avi',
  m4v: 'mov',
  mkv: 'matroska',
  mov: 'mov',
  mp4: 'mov',
  webm: 'matroska',
};

const runFile = promisify(execFile);

/**
 * The first frame of a video as a JPEG; undefined when there is no such file. Frames of more than `maxPixels` are not decoded.
 * Throws no_poster and the signal's reason.
 */
export async function firstFrame(
  frames: FrameStore,
  filename: string,
  { ffmpeg, maxPixels, signal }: { readonly ffmpeg: string; readonly maxPixels: number; readonly signal: AbortSignal },
): Promise<Buffer | undefined> {
  const demuxer = DEMUXERS[filename.slice(filename.lastIndexOf('.') + 1)];
  if (demuxer === undefined) throw new FleetError('no_poster', 'Only videos have a poster.');
  const found = await frames.stat(filename);
  if (found === undefined) return undefined;
  const source = await serveVideo(frames, filename, found.bytes);
  return decoded(ffmpeg, argumentsFor(source.url, demuxer, maxPixels), signal).finally(source.close);
}

function argumentsFor(url: string, demuxer: string, maxPixels: number): string[] {
  const input = `-protocol_whitelist http,tcp -max_pixels ${maxPixels} -f ${demuxer} -i ${url}`;
  const output = `-an -sn -dn -frames:v 1 -vf scale='min(${MAX_WIDTH},iw)':-2 -c:v mjpeg -f image2pipe pipe:1`;
  return `-nostdin -v error -threads 1 ${input} ${output}`.split(' ');
}

async function decoded(ffmpeg: string, args: readonly string[], signal: AbortSignal): Promise<Buffer> {
  const late = () => new FleetError('no_poster', 'Making the poster took too long.');
  const inTime = joinSignals([signal], { ms: MAKING_MS, reason: late });
  try {
    const options = { encoding: 'buffer', maxBuffer: MAX_BYTES, signal: inTime.signal, killSignal: 'SIGKILL' } as const;
    const { stdout, stderr } = await runFile(ffmpeg, args, options);
    if (stdout.length > 0) return stdout;
    throw new Error(stderr.toString());
  } catch (cause) {
    if (inTime.signal.aborted) throw inTime.signal.reason;
    const { syscall = '', code } = cause as NodeJS.ErrnoException;
    const wrong = code === 'ENOENT' ? 'which this service does not have' : 'which cannot be run here';
    const isNotRun = syscall.startsWith('spawn');
    const detail = isNotRun ? `Posters of videos need ffmpeg, ${wrong}.` : 'No poster could be made of this video.';
    throw new FleetError('no_poster', detail, { cause });
  } finally {
    inTime.end();
  }
}

/**
 * Serves a video on a loopback port at an unguessable address, because a file in a bucket has no path. ffmpeg reads only the
 * parts that it needs, for example the index at the end of an MP4.
 */
async function serveVideo(frames: FrameStore, filename: string, bytes: number) {
  const path = `/${randomBytes(16).toString('hex')}`;
  const send = async (request: IncomingMessage, response: ServerResponse) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start >= bytes) return response.writeHead(416, { 'Content-Range': `bytes */${bytes}` }).end();
    const stream = request.url === path ? await frames.open(filename, { start, end: bytes - 1 }) : undefined;
    if (stream === undefined) return response.writeHead(404).end();
    const about = { 'Accept-Ranges': 'bytes', 'Content-Length': bytes - start };
    response.writeHead(206, { ...about, 'Content-Range': `bytes ${start}-${bytes - 1}/${bytes}` });
    return pipeline(stream, response);
  };
  const server = createServer((request, response) => {
    send(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
