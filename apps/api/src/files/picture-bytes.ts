import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { createBLAKE3 } from 'hash-wasm';

export const DAMAGED = 'The picture cannot be decoded: it is damaged or incomplete.';

export function invalidImage(pointer: string, detail: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', detail, { errors: [{ pointer, detail }], cause });
}

/** How many characters are decoded before other requests are served. */
const STEP_CHARS = 256 * 1024;
/** Longer than any `data:image/…;base64,`. */
const MOST_HEAD = 256;

const SPACES = /[ \t\n\v\f\r]+/g;

const NO_BASE64 = 'The picture is not valid base64.';
const NO_DATA_URL = 'The data URL does not have the form data:image/png;base64,….';

/**
 * Decodes base64 (either alphabet, with or without padding and line breaks) or a data URL. Throws invalid_image, and
 * body_too_large for a picture of more than `maxBytes`.
 */
export async function pictureOfText(text: string, maxBytes: number): Promise<Buffer> {
  const all = text.trimEnd();
  const start = all.slice(0, MOST_HEAD).trimStart();
  const head = /^data:([^,]*?);\s*base64,/i.exec(start);
  if (head === null && /^data:/i.test(start)) throw invalidImage('/image', NO_DATA_URL);
  const from = head === null ? 0 : all.indexOf(',') + 1;
  const pieces: Buffer[] = [];
  let left = '';
  for (let at = from; at < all.length; at += STEP_CHARS) {
    const isLast = at + STEP_CHARS >= all.length;
    const digits = left + all.slice(at, at + STEP_CHARS).replace(SPACES, '');
    const whole = isLast ? digits.replace(/={1,2}$/, '') : digits.slice(0, digits.length - (digits.length % 4));
    left = digits.slice(whole.length);
    const piece = Buffer.from(whole, 'base64');
    if (whole.length % 4 === 1 || piece.length !== Math.floor((whole.length * 3) / 4))
      throw invalidImage('/image', NO_BASE64);
    pieces.push(piece);
    await yieldToEventLoop();
  }
  const data = Buffer.concat(pieces);
  if (data.length === 0) throw invalidImage('/image', NO_BASE64);
  if (data.length > maxBytes) {
    throw new FleetError('body_too_large', `The picture has ${data.length} bytes; at most ${maxBytes} are allowed.`);
  }
  return data;
}

/** Hashing this many bytes takes about a millisecond. A picture may be a hundred times as large. */
const STEP_BYTES = 256 * 1024;

/** Splits data into pieces, so that other requests are served between them. */
export function* pieces(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += STEP_BYTES) yield data.subarray(at, at + STEP_BYTES);
}

/** The BLAKE3 hash of a picture, in hexadecimal. */
export async function digestOf(data: Buffer): Promise<string> {
  const hash = (await createBLAKE3()).init();
  for (const piece of pieces(data)) {
    hash.update(piece);
    await yieldToEventLoop();
  }
  return hash.digest('hex');
}
