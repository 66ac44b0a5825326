import { Readable } from 'node:stream';
import type { ApiRequest, Reply } from '../../../server/messages.js';

/** A file that is the same for everybody until the service is another version. */
export interface CachedFile {
  readonly data: Buffer;
  readonly contentType: string;
  /** Of `data`, in hexadecimal. */
  readonly sha256: string;
}

/** Long enough for a visit; after an update of the service a page must not be put together from old and new files. */
const FRESH_SECONDS = 300;

/** The file, or 304 for callers that have it. */
export function fileReply(request: ApiRequest, file: CachedFile, more: Readonly<Record<string, string>> = {}): Reply {
  const etag = `"${file.sha256}"`;
  const headers = {
    ETag: etag,
    'Cache-Control': `public, max-age=${FRESH_SECONDS}`,
    'Content-Type': file.contentType,
    ...more,
  };
  if (request.header('if-none-match')?.includes(etag)) return { status: 304, headers };
  const length = { 'Content-Length': `${file.data.length}` };
  return { status: 200, headers: { ...headers, ...length }, body: Readable.from([file.data]) };
}
