import { Readable } from 'node:stream';
import type { ApiRequest, Reply } from '../../../server/messages.js';
import type { StudioFile } from './studio-files.js';

/** A name with the digest of its content never means another one. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Asked for again each time, so that the page and what it loads are of one version. */
const CHECKED = 'no-cache';

/** The file, packed for those who take that, or 304 for callers that have it. */
export function studioFileReply(
  request: ApiRequest,
  { data, contentType, sha256, gzipped }: StudioFile,
  { headers, isHashed }: { readonly headers: Readonly<Record<string, string>>; readonly isHashed: boolean },
): Reply {
  const isPacked = gzipped !== undefined && /\bgzip\b/.test(request.header('accept-encoding') ?? '');
  const etag = isPacked ? `"${sha256}-gzip"` : `"${sha256}"`;
  const all = {
    ...headers,
    ETag: etag,
    Vary: 'Accept-Encoding',
    'Cache-Control': isHashed ? FOREVER : CHECKED,
    'Content-Type': contentType,
  };
  if (request.header('if-none-match')?.includes(etag)) return { status: 304, headers: all };
  const body = isPacked ? gzipped : data;
  const encoding = isPacked ? { 'Content-Encoding': 'gzip' } : undefined;
  return {
    status: 200,
    headers: { ...all, ...encoding, 'Content-Length': `${body.length}` },
    body: Readable.from([body]),
  };
}
