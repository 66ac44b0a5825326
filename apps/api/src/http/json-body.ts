import type { IncomingMessage } from 'node:http';
import { setImmediate as others } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import type { PictureText } from '../pictures/picture-text.js';
import { createJsonScan, type JsonLimits } from './json-scan.js';
import { type UnpackLimits, unpackedBody } from './unpacked-body.js';

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

/** After so many bytes others have their turn: of a body that comes quickly libuv reads two megabytes at a stretch. */
export const STEP_BYTES = 256 * 1024;

/** What says that it is no longer than this is read without iterators, which cost more than all else of a small body. */
const PLAIN_BYTES = 64 * 1024;

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
  const scan = createJsonScan(limits, parts, picture === undefined ? undefined : PICTURE_FIELD);
  const take = (chunk: Buffer) => {
    arrived(chunk.length);
    const fault = scan.push(chunk);
    if (fault !== undefined) throw new FleetError('body_too_large', `The body has too much in it: ${fault}.`);
    if (bytes > limits.textBytes) throw new FleetError('body_too_large', tooMuchText(limits.textBytes, picture));
  };
  if (Number(request.headers['content-length']) <= PLAIN_BYTES && request.headers['content-encoding'] === undefined) {
    await plainBody(request, take);
  } else {
    let looked = 0;
    for await (const chunk of unpackedBody(request, limits)) {
      take(chunk);
      looked += chunk.length;
      if (looked < STEP_BYTES) continue;
      looked = 0;
      await others();
    }
  }
  const [first] = kept;
  const value = first === undefined ? {} : parsed(kept.length === 1 ? first : Buffer.concat(kept, bytes));
  return apart === undefined || apart.isEmpty ? { value, picture: undefined } : withPicture(value, apart);
}

/**
 * Hands on the pieces of a body as they arrive. When `take` throws, the rest is thrown away as it comes, so that the answer
 * still reaches its caller. Rejects with what it threw, or with what broke the request off.
 */
function plainBody(request: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
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
    return JSON.parse(text);
  } catch (cause) {
    throw new FleetError('malformed_json', `The body is not valid JSON: ${(cause as Error).message}.`, { cause });
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
