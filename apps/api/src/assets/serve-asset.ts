import { FleetError } from '@comfy-fleet/contracts';
import type { ByteRange, FrameStore } from '@comfy-fleet/frames';
import type { Asset } from '@comfy-fleet/jobs';
import { create } from 'content-disposition';
import type { ApiRequest, Reply } from '../http/messages.js';
import { problem } from '../http/problems.js';

/** What a browser plays or draws without running anything in it. */
const INLINE = /^(image\/(png|jpeg|webp|gif)|video\/.*|audio\/.*|text\/plain)$/;
/** For who opens anything else in a tab all the same: it runs nothing, loads nothing, and has no origin. */
const SANDBOX = "sandbox; default-src 'none'";
const YEAR_SECONDS = 31_536_000;

/**
 * Answers with the content of an asset, or the part of it that is asked for. Undefined when the file is not there. Its
 * digest is its entity tag: nothing of it is read to know that.
 */
export async function serveAsset(inputs: FrameStore, request: ApiRequest, asset: Asset): Promise<Reply | undefined> {
  const { bytes, contentType, digest, filename, name } = asset;
  const etag = `"${digest}"`;
  const isInline = INLINE.test(contentType);
  const headers = {
    ETag: etag,
    'Cache-Control': `private, max-age=${YEAR_SECONDS}, immutable`,
    'Accept-Ranges': 'bytes',
    'Content-Type': contentType.startsWith('text/') ? `${contentType}; charset=utf-8` : contentType,
    'Content-Disposition': create(filename ?? name, { type: isInline ? 'inline' : 'attachment' }),
    ...(isInline ? {} : { 'Content-Security-Policy': SANDBOX }),
  };
  if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
  const ifRange = request.header('if-range');
  const range = ifRange === undefined || ifRange === etag ? request.range(bytes) : undefined;
  if (range === 'unsatisfiable') {
    const error = new FleetError('range_not_satisfiable', `The file has ${bytes} bytes.`);
    return problem(error, request.path, { 'Content-Range': `bytes */${bytes}` });
  }
  const body = await inputs.open(name, range);
  if (body === undefined) return undefined;
  return range === undefined
    ? { status: 200, headers: { ...headers, 'Content-Length': `${bytes}` }, body }
    : { status: 206, headers: { ...headers, ...partOf(bytes, range) }, body };
}

/** If-None-Match compares weakly, so a W/ that a proxy added does not matter (RFC 9110, 13.1.2). */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

function partOf(bytes: number, { start, end }: ByteRange): Record<string, string> {
  return { 'Content-Range': `bytes ${start}-${end}/${bytes}`, 'Content-Length': `${end - start + 1}` };
}
