import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';

/** What is hashed, or handed on, at once: about a millisecond of work. A picture may be a hundred times that. */
const STEP_BYTES = 256 * 1024;

/** A picture in pieces, so that whoever works on them lets others have their turn in between. */
export function* pieces(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += STEP_BYTES) yield data.subarray(at, at + STEP_BYTES);
}

/** The SHA-256 of a picture, in hexadecimal. */
export async function digestOf(data: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (const piece of pieces(data)) {
    hash.update(piece);
    await yieldToEventLoop();
  }
  return hash.digest('hex');
}
