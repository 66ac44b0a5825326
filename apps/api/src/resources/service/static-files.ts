import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { FleetError } from '@comfy-fleet/contracts';
import type { ApiRequest, Reply } from '../../server/messages.js';

/** A file that is the same for everybody until another version of the service runs. */
export interface StaticFile {
  readonly data: Buffer;
  readonly contentType: string;
  /** Of `data`, in hexadecimal. */
  readonly sha256: string;
  readonly gzipped?: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
const pack = promisify(gzip);

/**
 * Files by the names that requests have for them, read when the first is asked for. There are few, and so no name in a
 * request ever becomes a path. The returned function throws not_found.
 */
export function createStaticFiles(
  pathsByName: () => Promise<Iterable<readonly [name: string, path: string]>>,
): (name: string) => Promise<StaticFile> {
  const readAll = async () => {
    const files = [...(await pathsByName())].map(async ([name, path]) => {
      const file = staticFile(await readFile(path), TYPES[extname(path)] ?? '');
      return [name, { ...file, gzipped: await pack(file.data, { level: 9 }) }] as const;
    });
    return new Map<string, StaticFile>(await Promise.all(files));
  };
  let reading: Promise<ReadonlyMap<string, StaticFile>> | undefined;
  return async (name) => {
    reading ??= readAll();
    const file = (await reading).get(name);
    if (file === undefined) throw new FleetError('not_found', 'There is no file of this name.');
    return file;
  };
}

export function staticFile(data: Buffer, contentType: string): StaticFile {
  return { data, contentType, sha256: createHash('sha256').update(data).digest('hex') };
}

/** The file, compressed for callers that accept that, or 304 for callers that have it. */
export function fileReply(
  request: ApiRequest,
  { data, contentType, sha256, gzipped }: StaticFile,
  more: Readonly<Record<string, string>>,
): Reply {
  const isPacked = gzipped !== undefined && /\bgzip\b/.test(request.header('accept-encoding') ?? '');
  const etag = isPacked ? `"${sha256}-gzip"` : `"${sha256}"`;
  const vary = gzipped === undefined ? {} : { Vary: 'Accept-Encoding' };
  const headers = { ETag: etag, ...vary, 'Content-Type': contentType, ...more };
  if (request.header('if-none-match')?.includes(etag)) return { status: 304, headers };
  const body = isPacked ? gzipped : data;
  const encoding = isPacked ? { 'Content-Encoding': 'gzip' } : {};
  const length = { 'Content-Length': `${body.length}` };
  return { status: 200, headers: { ...headers, ...encoding, ...length }, body: Readable.from([body]) };
}

/** Long enough for a visit; after an update of the service, a page must not be put together from old and new files. */
export const FRESH = 'public, max-age=300';

/**
 * What our pages may load: their own scripts and styles, the API beside them, nothing from elsewhere, no inline script or
 * style. Pictures as data: URLs are icons and previews, blob: ones what somebody is about to send. Links in answers begin
 * with the public URL, which need not be the one that the page came from.
 */
export function pagePolicy(publicUrl: string | undefined): Readonly<Record<string, string>> {
  const shown = publicUrl === undefined ? "'self'" : `'self' ${new URL(publicUrl).origin}`;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${shown} data: blob:`,
    `media-src ${shown} blob:`,
    `connect-src ${shown}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return { 'Content-Security-Policy': policy.join('; ') };
}
