import { invalidImage } from './picture-errors.js';
import { claimedType } from './picture-type.js';

/** A picture as bytes, with the type that was claimed for it, if any. */
export interface RawPicture {
  readonly data: Buffer;
  readonly claimed: string | undefined;
  /** A picture made here, which may be of any type that those have. */
  readonly isFrame?: boolean;
}

/** Reads base64 (of either alphabet, padded or not, lines broken or not) or a data URL. Throws invalid_image. */
export function pictureOfText(text: string): RawPicture {
  if (!/^\s*data:/i.test(text)) return { data: decode(text), claimed: undefined };
  const comma = text.indexOf(',');
  const head = /^\s*data:(.*?);\s*base64$/is.exec(text.slice(0, Math.max(comma, 0)));
  if (head === null) throw invalidImage('/image', 'The data URL does not have the form data:image/png;base64,….');
  return { data: decode(text.slice(comma + 1)), claimed: claimedType(head[1]) };
}

function decode(text: string): Buffer {
  const digits = text.replaceAll(/\s+/g, '');
  // Buffer.from leaves out what it does not know, and would make some picture out of almost anything.
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(digits)) throw invalidImage('/image', 'The picture is not valid base64.');
  return Buffer.from(digits, 'base64');
}
