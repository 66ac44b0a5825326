import type { IncomingMessage } from 'node:http';
import { FleetError } from '@comfy-fleet/contracts';
import { parsePlainJson } from '@comfy-fleet/workflows';
import type { PictureText } from '../pictures/picture-text.js';
import { type JsonLimits, JsonScan } from './json-scan.js';
import { bytesOf, takeBody } from './take-body.js';
import type { UnpackLimits } from './unpacked-body.js';

export interface JsonBodyLimits extends JsonLimits, UnpackLimits {
  /** Of what is parsed: of everything but a picture. */
  readonly textBytes: number;
}

export interface JsonBodyOptions {
  readonly limits: JsonBodyLimits;
  /** Called with the unpacked bytes, before they are looked at. */
  readonly arrived: (bytes: number) => void;
  /** Where the text of a picture goes that the field `image` of the body has; a new one for each. */
  readonly picture?: () => PictureText;
}

export interface JsonBody {
  /** Without the picture that is apart. */
  readonly value: unknown;
  readonly picture: PictureText | undefined;
}

const PICTURE_FIELD = 'image';

/** Fails on what is no UTF-8, and drops a byte order mark. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a body of JSON. All that could be too much in it is found while it arrives, in steps as long as a piece of it: no
 * body takes longer to refuse than to send, and no more is parsed at once than `textBytes`. Throws malformed_json,
 * unsupported_media_type, body_too_large, and what the request's stream throws.
 */
export async function readJsonBody(
  request: IncomingMessage,
  { limits, arrived, picture }: JsonBodyOptions,
): Promise<JsonBody> {
  requireUtf8(request.headers['content-type']);
  const kept: Buffer[] = [];
  let bytes = 0;
  let apart: PictureText | undefined;
  const parts = {
    text: (part: Uint8Array) => {
      bytes += part.length;
      // copied: a piece that is nearly all picture would be kept for the few bytes around it
      kept.push(Buffer.from(part));
    },
    begin: () => {
      apart = picture?.();
    },
    apart: (part: Uint8Array) => apart?.push(part),
  };
  const scan = new JsonScan(limits, { parts, apart: picture && PICTURE_FIELD, bytes: bytesOf(request) });
  const take = (chunk: Buffer) => {
    arrived(chunk.length);
    const fault = scan.push(chunk);
    if (fault !== undefined) throw new FleetError('body_too_large', `The body has too much in it: ${fault}.`);
    if (bytes > limits.textBytes) throw new FleetError('body_too_large', tooMuchText(limits.textBytes, picture));
  };
  await takeBody(request, limits, take);
  const [first] = kept;
  const value = first === undefined ? {} : parsed(kept.length === 1 ? first : Buffer.concat(kept, bytes));
  return apart === undefined || apart.isEmpty ? { value, picture: undefined } : withPicture(value, apart);
}

function tooMuchText(most: number, picture: unknown): string {
  return picture === undefined
    ? `The body is larger than the ${most} bytes that this address takes.`
    : `The body is too large: besides a picture it has at most ${most} bytes.`;
}

/** Only if the string that was set apart is what the field has at last: a field that comes twice has its last value. */
function withPicture(value: unknown, picture: PictureText): JsonBody {
  const { [PICTURE_FIELD]: left, ...fields } = value as Record<string, unknown>;
  return left === '' ? { value: fields, picture } : { value, picture: undefined };
}

function parsed(bytes: Buffer): unknown {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch (cause) {
    throw new FleetError('malformed_json', 'The body is not valid UTF-8.', { cause });
  }
  try {
    return parsePlainJson(text);
  } catch (cause) {
    throw new FleetError('malformed_json', `The body ${(cause as Error).message}.`, { cause });
  }
}

/** RFC 8259, 8.1. A name of another encoding would have the text mean something else than what was looked at. */
export function requireUtf8(contentType = ''): void {
  if (!contentType.includes(';')) return;
  const named = /;\s*charset\s*=\s*"?([^\s";,]*)/gi;
  for (const [, charset = ''] of contentType.matchAll(named)) {
    if (/^utf-?8$/i.test(charset)) continue;
    throw new FleetError('unsupported_media_type', `The body is written in ${charset}; send JSON in UTF-8.`);
  }
}
