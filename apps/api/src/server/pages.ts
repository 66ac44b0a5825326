import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type RequestHandler, Router } from 'express';
import { countUntilRead, LARGE_BYTES } from './locals.js';

/** From swagger-ui-dist, which supports OpenAPI 3.1 and needs no inline script or style. */
const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];
/** Long enough for a visit, but short: after an update of the service, a page must not mix old and new files. */
const FRESH = 'public, max-age=300';
/** For files with a content hash in their names. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Revalidated each time, so that the page and the files it loads are of the same version. */
const CHECKED = 'no-cache';
const BASE = '<base href="./" />';

/** The pages at `/docs`: openapi.json and docs/runbook.md for reading in a browser. */
export async function docsPages(publicUrl: string | undefined): Promise<RequestHandler> {
  const require = createRequire(import.meta.url);
  const swagger = dirname(require.resolve('swagger-ui-dist/package.json'));
  return createPages(publicUrl, FRESH).use(await filesOf(besideThis('pages')), await filesOf(swagger, SWAGGER_FILES));
}

/**
 * The studio at `/studio`: one page that is served at the address of each of its views. The page itself is public; it requests
 * its data with the user's API key.
 */
export async function studioPages(publicUrl: string | undefined): Promise<RequestHandler> {
  const root = besideThis('studio');
  const page = await readFile(join(root, 'index.html'), 'utf8');
  const pages = createPages(publicUrl, CHECKED);
  const keep: RequestHandler = (_request, response, next) => {
    response.set('Cache-Control', FOREVER);
    next();
  };
  pages.use('/assets', keep, await filesOf(join(root, 'assets')), (_request, _response, next) => next('router'));
  pages.use(await filesOf(root, ['icon.svg']));
  pages.get(['/', '/:view', '/:view/:id'], ({ path }, response) => {
    // Relative to the requested path, since a proxy may serve this under a path prefix.
    const html = page.replace(BASE, `<base href="${'../'.repeat(path.split('/').length - 2) || './'}" />`);
    response.set('ETag', etagOf(html)).type('html').send(html);
  });
  return pages;
}

/** A folder that the build copies beside the bundle. */
function besideThis(folder: string): string {
  return fileURLToPath(new URL(folder, import.meta.url));
}

/** Serves the files of a folder. They are read and compressed only once: to compress the largest one takes 50 ms. */
async function filesOf(root: string, names?: readonly string[]): Promise<RequestHandler> {
  const files = new Map<string, { type: string; etag: string; content: Buffer; gzipped: Buffer }>();
  for (const name of names ?? (await readdir(root))) {
    const content = await readFile(join(root, name));
    const file = { type: extname(name), etag: etagOf(content), content, gzipped: await promisify(gzip)(content) };
    files.set(name === 'index.html' ? '/' : `/${name}`, file);
  }
  return (request, response, next) => {
    const file = files.get(request.path);
    if (file === undefined || !['GET', 'HEAD'].includes(request.method)) return next();
    response.vary('Accept-Encoding').set('ETag', file.etag).type(file.type);
    const isPlain = request.acceptsEncodings('gzip') === false;
    const content = isPlain ? file.content : file.gzipped;
    if (content.length > LARGE_BYTES && request.method === 'GET') countUntilRead(response);
    if (!isPlain) response.set('Content-Encoding', 'gzip');
    response.send(content);
  };
}

/** Weak, since the compressed file and the plain one share it. */
function etagOf(content: string | Buffer): string {
  return `W/"${createHash('sha256').update(content).digest('hex')}"`;
}

function createPages(publicUrl: string | undefined, cacheControl: string): Router {
  const policy = pagePolicy(publicUrl);
  return Router().use(({ originalUrl, baseUrl }, response, next) => {
    // Without the trailing slash, the page's relative URLs would resolve to the wrong folder.
    if (originalUrl.split('?', 1)[0] === baseUrl) return response.redirect(308, `${basename(baseUrl)}/`);
    response.set({
      'Content-Security-Policy': policy,
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': cacheControl,
    });
    next();
  });
}

/**
 * The Content-Security-Policy of our pages: scripts, styles and requests only from the same origin, nothing inline. Icons and
 * previews are data: URLs; files that the user is about to send are blob: URLs. Links in responses begin with the public URL,
 * whose origin may differ from that of the page.
 */
export function pagePolicy(publicUrl: string | undefined, styles = "'self'"): string {
  const shown = publicUrl === undefined ? "'self'" : `'self' ${new URL(publicUrl).origin}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src ${styles}`,
    `img-src ${shown} data: blob:`,
    `media-src ${shown} blob:`,
    `connect-src ${shown}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
