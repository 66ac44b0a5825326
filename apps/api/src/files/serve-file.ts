import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, contentTypeOf, type FrameInfo, type FrameStore } from '@comfy-fleet/frames';
import { create } from 'content-disposition';
import type { Deps } from '../deps.js';
import { openUntil } from '../server/key-limits.js';
import { isKnown } from '../server/locals.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { keyOfVisit } from './ownership.js';

/** A stored file, and the headers that it is served with. */
export interface ServedFile {
  readonly store: FrameStore;
  readonly name: string;
  readonly contentType: string;
  /** Content-Disposition; undefined: none. */
  readonly disposition?: string;
  /** Content-Security-Policy; undefined: the default policy. */
  readonly policy?: string;
  /** Size and digest, if known: otherwise a large file may have to be read for its digest. */
  readonly info?: Pick<FrameInfo, 'bytes' | 'sha256'>;
  /** Only the owner may see it: shared caches must not store it, and the bucket does not serve it. */
  readonly isPrivate?: boolean;
}

/**
 * Serves a stored file or a range of it, answers 304 if the caller already has it, or redirects to the bucket. Undefined when
 * the file does not exist. The file counts as an open stream while it is sent. Throws too_many_streams and overloaded.
 */
export async function serveFile(deps: Deps, request: ApiRequest, file: ServedFile): Promise<Reply | undefined> {
  const info = file.info ?? (await file.store.stat(file.name));
  if (info === undefined) return undefined;
  const etag = `"${info.sha256}"`;
  const cached = file.isPrivate === true ? PRIVATE : cachedFor(deps, request);
  const headers = {
    ETag: etag,
    'Cache-Control': `${cached}, immutable`,
    // A browser must not show it to the user of another key, or after the key was revoked.
    ...(cached === PRIVATE ? { Vary: 'Authorization, X-API-Key' } : {}),
    'Accept-Ranges': 'bytes',
    'Content-Type': file.contentType,
    // Pages of other origins may show the files; helmet's default forbids it.
    'Cross-Origin-Resource-Policy': 'cross-origin',
    ...(file.disposition === undefined ? {} : { 'Content-Disposition': file.disposition }),
    ...(file.policy === undefined ? {} : { 'Content-Security-Policy': file.policy }),
  };
  if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
  const range = rangeOf(request, info, etag);
  if (range === 'unsatisfiable') return unsatisfiable(request, info);
  if (file.isPrivate !== true && mayGoElsewhere(request)) {
    const { contentType, disposition } = file;
    const location = await file.store.link(file.name, { ...ELSEWHERE, contentType, contentDisposition: disposition });
    if (location !== undefined) return { status: 302, headers: { Location: location, 'Cache-Control': 'no-store' } };
  }
  // A client that does not read the file occupies memory and two file descriptors.
  const key = await keyOfVisit(deps, request);
  openUntil(request.signal, deps.streams, key);
  // Downloads of a caller are counted when they are sent, if they are large.
  if (request.visitor === undefined) openUntil(request.signal, deps.downloads, key === ANONYMOUS ? PUBLIC : key);
  const body = await file.store.open(file.name, range);
  if (body === undefined) return undefined;
  return range === undefined
    ? { status: 200, headers: { ...headers, 'Content-Length': `${info.bytes}` }, body }
    : { status: 206, headers: { ...headers, ...partOf(info, range) }, body };
}

/** The key of files whose key is unknown. */
const PUBLIC = '';
const LINK_SECONDS = 300;
const ELSEWHERE = { seconds: LINK_SECONDS, cacheControl: `private, max-age=${LINK_SECONDS}, immutable` };

/**
 * Whether the caller can be redirected to the bucket. These requests cannot: HEAD, ranges and conditional requests, which only
 * we can answer; requests with a key, which would be sent to the bucket as well; requests by scripts of pages, whose origin
 * the bucket would have to allow; and signed links that expire before the link to the bucket would.
 */
function mayGoElsewhere({ method, header, query }: ApiRequest): boolean {
  const ours = ['range', 'if-range', 'if-none-match', 'authorization', 'x-api-key', 'origin'];
  if (method !== 'GET' || ours.some((name) => header(name) !== undefined)) return false;
  if (!['no-cors', 'navigate', undefined].includes(header('sec-fetch-mode'))) return false;
  const expires = query.get('expires');
  return expires === null || Number(expires) - Date.now() / 1000 >= LINK_SECONDS;
}

const YEAR_SECONDS = 31_536_000;
const PRIVATE = `private, max-age=${YEAR_SECONDS}`;

/** Shared caches must not serve a file to callers without a key, or for longer than a signed link is valid. */
function cachedFor({ config, keys }: Deps, { visitor, query }: ApiRequest): string {
  if (keys === undefined || config.access.publicImages) return `public, max-age=${YEAR_SECONDS}`;
  if (visitor !== undefined) return PRIVATE;
  const left = Number(query.get('expires')) - Math.floor(Date.now() / 1000);
  return `public, max-age=${Math.max(0, Math.min(left, YEAR_SECONDS))}`;
}

/** The requested range, if the part that the caller already has is of this version of the file (If-Range). */
function rangeOf(
  request: ApiRequest,
  { bytes }: Pick<FrameInfo, 'bytes'>,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  const ifRange = request.header('if-range');
  return ifRange === undefined || ifRange === etag ? request.range(bytes) : undefined;
}

function partOf({ bytes }: Pick<FrameInfo, 'bytes'>, { start, end }: ByteRange): Record<string, string> {
  return { 'Content-Range': `bytes ${start}-${end}/${bytes}`, 'Content-Length': `${end - start + 1}` };
}

function unsatisfiable({ refuse }: ApiRequest, { bytes }: Pick<FrameInfo, 'bytes'>) {
  const error = new FleetError('range_not_satisfiable', `The file has ${bytes} bytes.`);
  return refuse(error, { 'Content-Range': `bytes */${bytes}` });
}

/** Types that browsers display without executing any content. */
const INLINE = /^(image\/(?!svg)|video\/|audio\/|text\/plain$)/;
/** Any other file opened in a tab cannot run or load anything, and has no origin. */
const SANDBOX = "sandbox; default-src 'none'";

/** The headers for a file with the stored name `name`, which clients should save as `ownName`. */
export function shownAs(
  name: string,
  ownName: string,
): { readonly contentType: string; readonly disposition: string; readonly policy?: string } {
  const type = contentTypeOf(name);
  const contentType = type.startsWith('text/') ? `${type}; charset=utf-8` : type;
  if (INLINE.test(type)) return { contentType, disposition: dispositionOf(ownName, 'inline') };
  return { contentType, disposition: dispositionOf(ownName, 'attachment'), policy: SANDBOX };
}

/** Adds quotes around the file name. RFC 6266 makes them optional and the library omits them, but many clients need them. */
function dispositionOf(name: string, type: 'inline' | 'attachment'): string {
  return create(name, { type }).replace(/^(\w+; filename=)([^";]+)/, '$1"$2"');
}
