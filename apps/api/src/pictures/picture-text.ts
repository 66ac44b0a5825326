import { FleetError } from '@comfy-fleet/contracts';
import { claimedType, invalidImage } from './picture-type.js';

/** A picture as bytes, with the type that was claimed for it, if any. */
export interface RawPicture {
  readonly data: Buffer;
  readonly claimed: string | undefined;
  /** A picture made here, which may be of any type that those have. */
  readonly isFrame?: boolean;
}

/** A picture that comes as text, piece by piece. */
export interface PictureText {
  push(text: Uint8Array): void;
  /** Whether no text came. */
  readonly isEmpty: boolean;
  /** The picture, when all of its text has come. Throws invalid_image, body_too_large. */
  picture(): RawPicture;
}

/** A piece of base64 that is decoded at a time: a multiple of four digits. */
const PIECE = 64 * 1024;
/** Longer than any `data:image/…;base64,`. */
const MOST_HEAD = 256;

const COMMA = 0x2c;
const PADDING = 0x3d;
const MOST_PADDING = 2;

/** What a byte is; 0: nothing of base64. */
const DIGIT = 1;
const SPACE = 2;
const KINDS = new Uint8Array(256);
for (const digit of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_'))
  KINDS[digit] = DIGIT;
for (const space of Buffer.from(' \t\n\v\f\r')) KINDS[space] = SPACE;

const NO_BASE64 = 'The picture is not valid base64.';
const NO_DATA_URL = 'The data URL does not have the form data:image/png;base64,….';

/**
 * Reads base64 (of either alphabet, padded or not, lines broken or not) or a data URL. It is decoded as it comes: what is
 * kept is the picture, `maxBytes` of it at most, never its text, and no step is longer than its piece of text.
 */
export function createPictureText(maxBytes: number): PictureText {
  const decoded: Buffer[] = [];
  const digits = Buffer.alloc(PIECE);
  let count = 0;
  let padding = 0;
  let bytes = 0;
  let hasDigits = false;
  let isEmpty = true;
  /** What came, until it is known whether it is a data URL. */
  let start: Buffer | undefined = Buffer.alloc(0);
  let claimed: string | undefined;
  let fault: string | undefined;

  function decode(): void {
    bytes += Math.floor((count * 3) / 4);
    if (bytes <= maxBytes) decoded.push(Buffer.from(digits.toString('latin1', 0, count), 'base64'));
    else decoded.length = 0;
    count = 0;
  }

  function base64(text: Uint8Array): void {
    for (let at = 0; at < text.length; at++) {
      const byte = text[at] as number;
      const kind = KINDS[byte] as number;
      if (kind === SPACE) continue;
      if (kind === DIGIT && padding === 0) {
        digits[count] = byte;
        count += 1;
        if (count === PIECE) decode();
        hasDigits = true;
        continue;
      }
      if (byte === PADDING && padding < MOST_PADDING) {
        padding += 1;
        continue;
      }
      fault = NO_BASE64;
      decoded.length = 0;
      return;
    }
  }

  /** Looks whether the text so far begins as a data URL does. `isWhole`: there is no more. */
  function begin(text: Buffer, isWhole: boolean): void {
    const first = text.toString('latin1').trimStart();
    const mayBeUrl = 'data:'.startsWith(first.slice(0, 'data:'.length).toLowerCase());
    const comma = text.indexOf(COMMA);
    const isLong = text.length > MOST_HEAD;
    if (mayBeUrl && comma < 0 && !isLong && !isWhole) {
      start = text;
      return;
    }
    start = undefined;
    if (!mayBeUrl || first.length < 'data:'.length) {
      base64(text);
      return;
    }
    const head = /^\s*data:(.*?);\s*base64$/is.exec(
      text.toString('latin1', 0, Math.min(Math.max(comma, 0), MOST_HEAD)),
    );
    if (head === null) {
      fault = NO_DATA_URL;
      return;
    }
    claimed = claimedType(head[1]);
    base64(text.subarray(comma + 1));
  }

  return {
    push: (text) => {
      if (text.length > 0) isEmpty = false;
      if (fault !== undefined) return;
      if (start === undefined) base64(text);
      else begin(Buffer.concat([start, text]), false);
    },
    get isEmpty() {
      return isEmpty;
    },
    picture: () => {
      if (start !== undefined && fault === undefined) begin(start, true);
      if (fault === undefined && count > 0) decode();
      if (fault === undefined && !hasDigits) fault = NO_BASE64;
      if (fault !== undefined) throw invalidImage('/image', fault);
      if (bytes > maxBytes) {
        throw new FleetError('body_too_large', `The picture has ${bytes} bytes; ${maxBytes} are the most.`);
      }
      const data = Buffer.concat(decoded);
      decoded.length = 0;
      return { data, claimed };
    },
  };
}

/** The picture in a text that is there as a whole, as createPictureText reads it. */
export function pictureOfText(text: string, maxBytes: number): RawPicture {
  const reader = createPictureText(maxBytes);
  reader.push(Buffer.from(text));
  return reader.picture();
}
