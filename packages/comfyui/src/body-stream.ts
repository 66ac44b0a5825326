import { Readable } from 'node:stream';
import { errors } from 'undici';
import type { Deadline } from './deadline.js';

/** Skips a byte order mark. */
const TEXT = new TextDecoder();

/**
 * Passes on a response's body. The deadline only runs while we wait for the server, so a slow reader does not use it
 * up. If the body ends early, the stream is destroyed with the error that `failure` makes of it. Destroying the stream
 * closes the connection.
 */
export function bodyStream(source: Readable, deadline: Deadline, failure: (error?: unknown) => Error): Readable {
  let complete = false;
  const body = new Readable({
    read() {
      deadline.restart();
      source.resume();
    },
    destroy(error, done) {
      deadline.end();
      source.destroy();
      done(error);
    },
  });
  source.on('data', (chunk: Buffer) => {
    deadline.restart(chunk.length);
    if (body.push(chunk)) return;
    deadline.pause();
    source.pause();
  });
  source.once('end', () => {
    complete = true;
    deadline.pause();
    body.push(null);
  });
  source.on('error', (error) => body.destroy(failure(error)));
  source.once('close', () => {
    if (!complete) body.destroy(failure());
  });
  // It can break before anyone listens; a later reader still gets the error.
  body.on('error', () => undefined);
  source.pause();
  deadline.pause();
  deadline.signal.addEventListener('abort', () => body.destroy(failure()), { once: true });
  return body;
}

/** Reads a whole response body; throws undici's error when it exceeds `maxBytes`. */
export async function readText(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new errors.ResponseExceededMaxSizeError();
    chunks.push(chunk);
  }
  return TEXT.decode(Buffer.concat(chunks));
}
