import type { IncomingMessage } from 'node:http';
import { setImmediate as others } from 'node:timers/promises';
import { type UnpackLimits, unpackedBody } from './unpacked-body.js';

/** After so many bytes others have their turn: of a body that comes quickly libuv reads two megabytes at a stretch. */
const STEP_BYTES = 256 * 1024;

/** What says that it is no longer than this is read without iterators, which cost more than all else of a small body. */
const PLAIN_BYTES = 64 * 1024;

type Take = (chunk: Buffer) => void;

/** Bytes of a body that is not packed, as its request says; Infinity where it does not say. */
export function bytesOf({ headers }: IncomingMessage): number {
  const length = headers['content-length'];
  return length === undefined || headers['content-encoding'] !== undefined ? Infinity : Number(length);
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Hands on the pieces of a body as they arrive, unpacked. When `take` throws, the rest is thrown away as it comes, so that
 * the answer still reaches its caller. Throws what it threw, what `unpackedBody` throws, and what broke the request off.
 */
export async function takeBody(request: IncomingMessage, limits: UnpackLimits, take: Take): Promise<void> {
  if (bytesOf(request) <= Math.min(PLAIN_BYTES, limits.mostBytes)) {
    return request.complete ? takeWhole(request, take) : takePlain(request, take);
  }
  let looked = 0;
  for await (const chunk of unpackedBody(request, limits)) {
    take(chunk);
    looked += chunk.length;
    if (looked < STEP_BYTES) continue;
    looked = 0;
    await others();
  }
}

/** It came together with the head of its request, as small ones do. */
function takeWhole(request: IncomingMessage, take: Take): void {
  const body = request.read() as Buffer | null;
  if (body !== null) take(body);
}

function takePlain(request: IncomingMessage, take: Take): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
    const onData = (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        stop();
        request.resume();
        reject(error);
      }
    };
    const onEnd = () => {
      stop();
      resolve();
    };
    const onError = (error: unknown) => {
      stop();
      reject(error);
    };
    const onClose = () => onError(request.errored ?? new Error('The request was broken off.'));
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}
