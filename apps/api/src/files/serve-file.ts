import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, contentTypeOf, type FrameInfo, type FrameStore } from '@comfy-fleet/frames';
import { create } from 'content-disposition';
import type { Deps } from '../deps.js';
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
  /** What is known of it: a large one is read for its digest otherwise. */
  readonly info?: Pick<FrameInfo, 'bytes' | 'sha256'>;
  /** For who has its key only: it has no address of its own elsewhere, and is in no cache that several people share. */
  readonly isPrivate?: boolean;
}

/**
 * Answers with a stored file or the part of it that is asked for, that the caller has it already, or where it can be had
 * without us. Undefined when it is not there.
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
 * Whether the caller can be sent on to where the file is kept, if that has an address of its own. Not who needs what only
 * we answer: headers alone, a part, an entity tag that was ours before. Not who shows a key, which is not to be sent there as
 * well. Not a script of a page: the bucket would have to allow its origin. Nor by a link that is over before ours.
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

/**
 * A cache that several people share must not show a file to those without a key, nor for longer than the link is good
 * that it was shown for.
 */
function cachedFor({ config, keys }: Deps, { caller, query }: ApiRequest): string {
  if (keys === undefined || config.access.publicImages) return `public, max-age=${YEAR_SECONDS}`;
  if (caller !== undefined) return PRIVATE;
  const left = Number(query.get('expires')) - Math.floor(Date.now() / 1000);
  return `public, max-age=${Math.max(0, Math.min(left, YEAR_SECONDS))}`;
}

/** If-None-Match compares weakly, so a W/ that a proxy added does not matter (RFC 9110, 13.1.2). */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** A range counts only as long as the caller's part is of this very file (If-Range). */
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
/** For who opens anything else in a tab all the same: it runs nothing, loads nothing, and has no origin. */
const SANDBOX = "sandbox; default-src 'none'";

/** How a file of this name here is answered: with its type, and to be kept under its own name. */
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
