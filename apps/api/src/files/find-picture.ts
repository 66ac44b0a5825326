import { isFrameName } from '@comfy-fleet/frames';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import type { Source } from '../decoding/tasks.js';
import type { Deps } from '../deps.js';
import { aboutUrl, fieldError, invalidImage } from '../server/field-errors.js';
import type { Caller } from '../server/gate.js';
import type { ApiRequest } from '../server/messages.js';
import { maySeeOutput } from './ownership.js';
import { pictureOfText, pictureType } from './picture-bytes.js';

/** Longest time to fetch a picture by its URL. */
const FETCH_TIMEOUT_MS = 15_000;
const POINTER = '/image_url';

/** A picture, and the request field that it came from. */
export interface FoundPicture {
  readonly data: Buffer;
  readonly pointer: string;
}

/** The picture in a request, as a file or as base64; undefined when there is none. Throws body_too_large, invalid_image. */
export function sentPicture(
  { config }: Deps,
  image: string | undefined,
  { file }: ApiRequest,
): FoundPicture | undefined {
  const data = image === undefined ? file : pictureOfText(image, config.images.maxBytes);
  return data && { data, pointer: '/image' };
}

/** Fetches the picture at a URL. It counts against the upload budget. Throws like fetchPicture. */
export async function urlPicture(
  { config, pictureHttp, fetching }: Deps,
  url: string,
  { caller, signal, holds }: ApiRequest,
): Promise<FoundPicture> {
  const { maxBytes } = config.images;
  const fetch = () => fetchPicture(url, pictureHttp, { maxBytes, timeoutMs: FETCH_TIMEOUT_MS, signal });
  const data = await fetching(caller.id, fetch, { signal });
  holds(data.length);
  return { data, pointer: POINTER };
}

/** Finds a frame that a job of the caller made. Throws validation_failed and invalid_image with the field /source. */
export async function findFrame(deps: Deps, name: string, caller: Caller | undefined): Promise<Source> {
  const isSeen = isFrameName(name) && (await maySeeOutput(deps, name, caller));
  const info = isSeen ? await deps.frames.stat(name) : undefined;
  const { maxBytes } = deps.config.images;
  if (info !== undefined && info.bytes > maxBytes) {
    throw invalidImage(
      '/source',
      `The picture has ${info.bytes} bytes; at most ${maxBytes} are allowed (MAX_IMAGE_BYTES).`,
    );
  }
  if (info !== undefined) return { store: 'frames', name };
  const detail = isFrameName(name)
    ? 'names a picture that does not exist or was deleted'
    : 'must be the filename of a picture made here: the last part of its image_url';
  throw fieldError('validation_failed', '/source', detail);
}

/**
 * Fetches the picture at a caller's URL and ignores the type that the server claims. Throws url_not_allowed, url_unreachable,
 * or invalid_image when it is not a picture, each about the field image_url.
 */
export async function fetchPicture(
  url: string,
  http: SafeHttp,
  limits: { readonly maxBytes: number; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const accept = 'image/png, image/jpeg, image/webp';
  const found = await http
    .get(url, { ...limits, maxRedirects: 3, accept })
    .catch((error: unknown) => Promise.reject(aboutUrl(error, POINTER)));
  if (pictureType(found.data) !== undefined) return found.data;
  throw invalidImage(POINTER, 'The URL does not lead to a PNG, JPEG or WebP.');
}
