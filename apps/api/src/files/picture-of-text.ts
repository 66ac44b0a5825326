import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { claimedType, invalidImage } from './picture-type.js';

/** A picture as bytes, with the type that was claimed for it, if any. */
export interface RawPicture {
  readonly data: Buffer;
  readonly claimed: string | undefined;
  /** A picture made here, which may be of any type that those have. */
  readonly isFrame?: boolean;
}

/** Characters that are decoded before other requests get their turn. */
const STEP_CHARS = 256 * 1024;
/** Longer than any `data:image/…;base64,`. */
const MOST_HEAD = 256;

const SPACES = /[ \t\n\v\f\r]+/g;

const NO_BASE64 = 'The picture is not valid base64.';
const NO_DATA_URL = 'The data URL does not have the form data:image/png;base64,….';

/**
 * Reads base64 (of either alphabet, padded or not, lines broken or not) or a data URL. Throws invalid_image, and
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
    throw new FleetError('body_too_large', `The picture has ${data.length} bytes; ${maxBytes} are the most.`);
  }
  return { data, claimed: claimedType(head?.[1]) };
}
