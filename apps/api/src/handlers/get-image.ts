import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, type FrameInfo, isFrameName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { ApiRequest, Handler } from '../http/messages.js';
import { problem } from '../http/problems.js';

export function getImage({ frames }: Deps): Handler {
  return async (request) => {
    const { filename = '' } = request.params;
    const info = isFrameName(filename) ? await frames.stat(filename) : undefined;
    if (info === undefined) throw imageNotFound();
    const etag = `"${info.sha256}"`;
    const headers = {
      ETag: etag,
      'Cache-Control': 'public, max-age=31536000, immutable',
      'Accept-Ranges': 'bytes',
      'Content-Type': 'image/png',
      // Pages of other origins may show the pictures; helmet's default forbids it.
      'Cross-Origin-Resource-Policy': 'cross-origin',
    };
    if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
    const range = rangeOf(request, info, etag);
    if (range === 'unsatisfiable') return unsatisfiable(request, info);
    const body = await frames.open(filename, range);
    if (body === undefined) throw imageNotFound();
    return range === undefined
      ? { status: 200, headers: { ...headers, 'Content-Length': `${info.bytes}` }, body }
      : { status: 206, headers: { ...headers, ...partOf(info, range) }, body };
  };
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
