import { FleetError } from '@comfy-fleet/contracts';
import type { Fetched, SafeHttp } from '@comfy-fleet/safe-http';
import type { RawPicture } from './picture-of-text.js';
import { claimedType, invalidImage, pictureType } from './picture-type.js';

const POINTER = '/image_url';

export interface FetchOptions {
  readonly maxBytes: number;
  /** For everything, redirects included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The picture behind a URL that a caller supplied. Throws url_not_allowed, url_unreachable, or invalid_image when there
 * is something else, each of them about the field image_url. What the server claims the type to be is not held against
 * the caller, who cannot change it: the bytes decide.
 */
export async function fetchPicture(
  url: string,
  http: SafeHttp,
  { maxBytes, timeoutMs, signal }: FetchOptions,
): Promise<RawPicture> {
  const accept = 'image/png, image/jpeg, image/webp';
  const found = await http.get(url, { maxBytes, timeoutMs, maxRedirects: 3, accept, signal }).catch(aboutTheField);
  if (pictureType(found.data) !== undefined) return { data: found.data, claimed: undefined };
  throw invalidImage(POINTER, `The URL leads to ${nameOf(found)}, not to a PNG, JPEG or WebP.`);
}

function aboutTheField(error: unknown): never {
  if (!(error instanceof FleetError)) throw error;
  const { code, detail, cause } = error;
  throw new FleetError(code, detail, { errors: [{ pointer: POINTER, detail }], cause });
}

/** Mostly a page that shows the picture, which the type tells best. */
function nameOf({ contentType }: Fetched): string {
  const type = claimedType(contentType) ?? '';
  return /^[a-z0-9.+-]{1,40}\/[a-z0-9.+-]{1,80}$/.test(type) && !type.startsWith('image/') ? type : 'something else';
}
