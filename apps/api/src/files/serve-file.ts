import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, contentTypeOf, type FrameInfo, type FrameStore } from '@comfy-fleet/frames';
import { create } from 'content-disposition';
import type { Deps } from '../deps.js';
import { isKnown } from '../server/locals.js';
import type { ApiRequest, Reply } from '../server/messages.js';

/** A file in a store, and how it is shown. */
export interface ServedFile {
  readonly store: FrameStore;
  readonly name: string;
  readonly contentType: string;
  /** Content-Disposition; undefined: none. */
  readonly disposition?: string;
  /** Content-Security-Policy; undefined: as of every answer. */
  readonly policy?: string;
  /** Saves reading a large file for its digest. */
  readonly info?: Pick<FrameInfo, 'bytes' | 'sha256'>;
  /** Only for its key: not in shared caches, and not served by the bucket. */
  readonly isPrivate?: boolean;
}

/**
 * Answers with a stored file or a part of it, with 304 if the caller has it, or with the address of the bucket that has it.
 * Undefined when it is not there.
 */
export async function serveFile(deps: Deps, request: ApiRequest, file: ServedFile): Promise<Reply | undefined> {
  const info = file.info ?? (await file.store.stat(file.name));
  if (info === undefined) return undefined;
  const etag = `"${info.sha256}"`;
  const headers = {
    ETag: etag,
    'Cache-Control': `${file.isPrivate === true ? PRIVATE : cachedFor(deps, request)}, immutable`,
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
  const body = await file.store.open(file.name, range);
  if (body === undefined) return undefined;
  return range === undefined
    ? { status: 200, headers: { ...headers, 'Content-Length': `${info.bytes}` }, body }
    : { status: 206, headers: { ...headers, ...partOf(info, range) }, body };
}

const LINK_SECONDS = 300;
const ELSEWHERE = { seconds: LINK_SECONDS, cacheControl: `private, max-age=${LINK_SECONDS}, immutable` };

/**
 * Whether the caller can be redirected to the bucket. Not for what only we answer (headers alone, a part, our entity tag), nor
 * with a key, which would be sent there as well, nor for a script of a page, whose origin the bucket would have to allow, nor by
 * a link that expires before ours.
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

/** Shared caches must not show a file to callers without a key, nor for longer than their link is valid. */
function cachedFor({ config, keys }: Deps, { visitor, query }: ApiRequest): string {
  if (keys === undefined || config.access.publicImages) return `public, max-age=${YEAR_SECONDS}`;
  if (visitor !== undefined) return PRIVATE;
  const left = Number(query.get('expires')) - Math.floor(Date.now() / 1000);
  return `public, max-age=${Math.max(0, Math.min(left, YEAR_SECONDS))}`;
}

/** A range counts only while the caller's part is of this very file (If-Range). */
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
  const error = new FleetError('range_not_satisfiable', `It has ${bytes} bytes.`);
  return refuse(error, { 'Content-Range': `bytes */${bytes}` });
}

/** What a browser plays or draws without running anything in it. */
const INLINE = /^(image\/(?!svg)|video\/|audio\/|text\/plain$)/;
/** Anything else, opened in a tab, runs nothing, loads nothing, and has no origin. */
const SANDBOX = "sandbox; default-src 'none'";

/** The headers for a file of this name in the store, to be saved under its own name. */
export function shownAs(
  name: string,
  ownName: string,
): { readonly contentType: string; readonly disposition: string; readonly policy?: string } {
  const type = contentTypeOf(name);
  const contentType = type.startsWith('text/') ? `${type}; charset=utf-8` : type;
  if (INLINE.test(type)) return { contentType, disposition: dispositionOf(ownName, 'inline') };
  return { contentType, disposition: dispositionOf(ownName, 'attachment'), policy: SANDBOX };
}

/** Many clients find the name by its quotes, which the library leaves out where RFC 6266 allows that. */
function dispositionOf(name: string, type: 'inline' | 'attachment'): string {
  return create(name, { type }).replace(/^(\w+; filename=)([^";]+)/, '$1"$2"');
}
