import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, contentTypeOf, type FrameInfo, type FrameStore } from '@comfy-fleet/frames';
import { maySeeFrame } from '../access/own-frame.js';
import type { Deps } from '../deps.js';
import type { ApiRequest, Handler } from '../http/messages.js';
import { problem } from '../http/problems.js';

/** A picture that a job made, or with `?width=` or `?format=` a smaller or lighter form of it. */
export function getImage(deps: Deps): Handler {
  const { access } = deps.config;
  return async (request) => {
    const { filename = '' } = request.params;
    const caller = access.publicImages ? undefined : request.caller;
    const file = (await maySeeFrame(deps, filename, caller)) ? await chosen(deps, filename, request) : undefined;
    const info = await file?.store.stat(file.name);
    if (file === undefined || info === undefined) throw imageNotFound();
    const etag = `"${info.sha256}"`;
    const headers = {
      ETag: etag,
      'Cache-Control': `${cachedFor(deps, request)}, immutable`,
      'Accept-Ranges': 'bytes',
      'Content-Type': file.contentType,
      // Pages of other origins may show the pictures; helmet's default forbids it.
      'Cross-Origin-Resource-Policy': 'cross-origin',
    };
    if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
    const range = rangeOf(request, info, etag);
    if (range === 'unsatisfiable') return unsatisfiable(request, info);
    if (mayGoElsewhere(request)) {
      const location = await file.store.link(file.name, { ...ELSEWHERE, contentType: file.contentType });
      if (location !== undefined) return { status: 302, headers: { Location: location, 'Cache-Control': 'no-store' } };
    }
    const body = await file.store.open(file.name, range);
    if (body === undefined) throw imageNotFound();
    return range === undefined
      ? { status: 200, headers: { ...headers, 'Content-Length': `${info.bytes}` }, body }
      : { status: 206, headers: { ...headers, ...partOf(info, range) }, body };
  };
}

const LINK_SECONDS = 300;
const ELSEWHERE = { seconds: LINK_SECONDS, cacheControl: `private, max-age=${LINK_SECONDS}, immutable` };

/**
 * Whether the caller can be sent on to where the picture is kept, if that has an address of its own. Not who needs what only
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

interface ChosenFile {
  readonly store: FrameStore;
  readonly name: string;
  readonly contentType: string;
}

async function chosen(
  { frames, derived, derivedStore }: Deps,
  name: string,
  { query, signal }: ApiRequest,
): Promise<ChosenFile | undefined> {
  const form = derived.wanted(query, name);
  if (form === undefined) return { store: frames, name, contentType: contentTypeOf(name) };
  const made = await derived.get(name, form, signal);
  return made && { store: derivedStore, ...made };
}

const YEAR_SECONDS = 31_536_000;

/**
 * A cache that several people share must not show a picture to those without a key, nor for longer than the link is good
 * that it was shown for.
 */
function cachedFor({ config, keys }: Deps, { caller, query }: ApiRequest): string {
  if (keys === undefined || config.access.publicImages) return `public, max-age=${YEAR_SECONDS}`;
  if (caller !== undefined) return `private, max-age=${YEAR_SECONDS}`;
  const left = Number(query.get('expires')) - Math.floor(Date.now() / 1000);
  return `public, max-age=${Math.max(0, Math.min(left, YEAR_SECONDS))}`;
}

function imageNotFound(): FleetError {
  return new FleetError('image_not_found', 'There is no picture of this name, or no longer.');
}

/** If-None-Match compares weakly, so a W/ that a proxy added does not matter (RFC 9110, 13.1.2). */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** A range counts only as long as the caller's part is of this very picture (If-Range). */
function rangeOf(request: ApiRequest, { bytes }: FrameInfo, etag: string): ByteRange | 'unsatisfiable' | undefined {
  const ifRange = request.header('if-range');
  return ifRange === undefined || ifRange === etag ? request.range(bytes) : undefined;
}

function partOf({ bytes }: FrameInfo, { start, end }: ByteRange): Record<string, string> {
  return { 'Content-Range': `bytes ${start}-${end}/${bytes}`, 'Content-Length': `${end - start + 1}` };
}

function unsatisfiable({ path }: ApiRequest, { bytes }: FrameInfo) {
  const error = new FleetError('range_not_satisfiable', `The picture has ${bytes} bytes.`);
  return problem(error, path, { 'Content-Range': `bytes */${bytes}` });
}
