import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, frameTypeOf } from '@comfy-fleet/frames';

/** The type of a picture. Undefined for formats that callers may not send, although the decoder reads them (SVG, PDF, …). */
export function pictureType(data: Buffer): 'image/png' | 'image/jpeg' | 'image/webp' | undefined {
  const type = frameTypeOf(data);
  return type === undefined || type === 'gif' ? undefined : FRAME_TYPES[type];
}

/** The type that a header or data URL claims, without parameters; undefined when it claims none. */
export function claimedType(header: string | undefined): string | undefined {
  const type = header?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  // Programs send octet-stream when they do not know the type.
  if (type === '' || type === 'application/octet-stream') return undefined;
  return type === 'image/jpg' || type === 'image/pjpeg' ? 'image/jpeg' : type;
}

export function invalidImage(pointer: string, detail: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', detail, { errors: [{ pointer, detail }], cause });
}

/** A picture, and the type that was claimed for it. */
export interface RawPicture {
  readonly data: Buffer;
  readonly claimed: string | undefined;
  /** Whether a job made the picture. It may then have any type that outputs may have. */
  readonly isFrame?: boolean;
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
export async function pictureOfText(text: string, maxBytes: number): Promise<RawPicture> {
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
  return { data, claimed: claimedType(head?.[1]) };
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
