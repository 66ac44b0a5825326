import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, frameTypeOf } from '@comfy-fleet/frames';
import { invalidImage } from '../server/field-errors.js';

/** The type of a picture. Undefined for formats that callers may not send, although the decoder reads them (SVG, PDF, …). */
export function pictureType(data: Buffer): 'image/png' | 'image/jpeg' | 'image/webp' | undefined {
  const type = frameTypeOf(data);
  return type === undefined || type === 'gif' ? undefined : FRAME_TYPES[type];
}

/** Longer than any `data:image/…;base64,`. */
const MOST_HEAD = 256;

const NO_DATA_URL = 'The data URL does not have the form data:image/png;base64,….';

/**
 * Decodes base64 (either alphabet, with or without padding and line breaks) or a data URL. Throws invalid_image, and
 * body_too_large for a picture of more than `maxBytes`. Invalid base64 makes bytes that no decoder takes for a picture.
 */
export function pictureOfText(text: string, maxBytes: number): Buffer {
  const start = text.slice(0, MOST_HEAD);
  const isDataUrl = /^\s*data:/i.test(start);
  if (isDataUrl && !/^\s*data:[^,]*?;\s*base64,/i.test(start)) throw invalidImage('/image', NO_DATA_URL);
  const data = Buffer.from(isDataUrl ? text.slice(text.indexOf(',') + 1) : text, 'base64');
  if (data.length <= maxBytes) return data;
  throw new FleetError('body_too_large', `The picture has ${data.length} bytes; at most ${maxBytes} are allowed.`);
}

/** Hashing this many bytes takes about a millisecond. A picture may be a hundred times as large. */
const STEP_BYTES = 256 * 1024;

/** Splits data into pieces, so that other requests are served between them. */
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
