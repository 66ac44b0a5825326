import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../../../deps.js';
import type { ApiRequest, Reply, Route } from '../../../server/messages.js';
import { createStudioFiles, hashed, type StudioFile, type StudioFiles } from './studio-files.js';

/** A name with the digest of its content never means another one. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Asked for again each time, so that the page and what it loads are of one version. */
const CHECKED = 'no-cache';
/** As it stands in what Vite built. */
const BASE = '<base href="./" />';

const PAGE = 'index.html';

/**
 * The studio at `/studio`, for anybody: its pages ask for what they show with the key of whoever looks. It is one page,
 * under the address of each of its views. None, when it is off.
 */
export function studioRoutes({ config }: Pick<Deps, 'config'>): Route[] {
  if (!config.http.studio) return [];
  const files = createStudioFiles();
  const headers = { 'Content-Security-Policy': studioPolicy(config.http.publicUrl) };
  const page = async (request: ApiRequest): Promise<Reply> => {
    // A path that ends with the page's own name and no slash would lead what is relative to it elsewhere.
    if (request.path.endsWith('/studio')) return { status: 308, headers: { Location: 'studio/' } };
    const file = await found(files, PAGE);
    return studioFileReply(request, pageBelow(file, request.path), { headers, isHashed: false });
  };
  const asset = async (request: ApiRequest): Promise<Reply> =>
    studioFileReply(request, await found(files, `assets/${request.params.file}`), { headers, isHashed: true });
  const icon = async (request: ApiRequest): Promise<Reply> =>
    studioFileReply(request, await found(files, 'icon.svg'), { headers, isHashed: false });
  return [
    { method: 'GET', path: '/studio', access: 'public', handler: page },
    { method: 'GET', path: '/studio/icon.svg', access: 'public', handler: icon },
    { method: 'GET', path: '/studio/assets/:file', access: 'public', handler: asset },
    { method: 'GET', path: '/studio/:view', access: 'public', handler: page },
    { method: 'GET', path: '/studio/:view/:id', access: 'public', handler: page },
  ];
}

async function found(files: StudioFiles, name: string) {
  const file = await files(name);
  if (file === undefined) throw new FleetError('not_found', 'The studio has no file of this name.');
  return file;
}

/** The file, packed for those who take that, or 304 for callers that have it. */
function studioFileReply(
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

/** The page with its base where `/studio/` is from a path below it: whatever a proxy puts in front stays. */
function pageBelow(page: StudioFile, path: string): StudioFile {
  const depth = path.split('/').length - '/studio/'.split('/').length;
  if (depth <= 0) return page;
  const html = page.data.toString().replace(BASE, `<base href="${'../'.repeat(depth)}" />`);
  return hashed(Buffer.from(html), page.contentType);
}

/**
 * What the studio may do: its own scripts and styles, the API beside it, nothing from elsewhere, no inline script or style.
 * Pictures as data: URLs are previews, blob: ones what somebody is about to send. Links in answers begin with the
 * public URL, which need not be the one that the page came from.
 */
function studioPolicy(publicUrl: string | undefined): string {
  const shown = publicUrl === undefined ? "'self'" : `'self' ${new URL(publicUrl).origin}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${shown} data: blob:`,
    `media-src ${shown} blob:`,
    `connect-src ${shown}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
