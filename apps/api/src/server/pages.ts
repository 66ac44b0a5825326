import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants } from 'node:zlib';
import compression from 'compression';
import express, { type RequestHandler, Router } from 'express';
import { isKnown } from './locals.js';

/** From swagger-ui-dist, which supports OpenAPI 3.1 and needs no inline script or style. */
const SWAGGER_FILES = ['/swagger-ui.css', '/swagger-ui-bundle.js', '/favicon-32x32.png'];
/** Long enough for a visit, but short: after an update of the service, a page must not mix old and new files. */
const FRESH = 'public, max-age=300';
/** For files with a content hash in their names. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Revalidated each time, so that the page and the files it loads are of the same version. */
const CHECKED = 'no-cache';
/** 64 KiB. With the default of 4 MiB, a few hundred slow readers would exhaust the memory. */
const SMALL_WINDOW = { params: { [constants.BROTLI_PARAM_LGWIN]: 16 } };
const BASE = '<base href="./" />';

/** The pages at `/docs`: openapi.json and docs/runbook.md for reading in a browser. */
export function docsPages(publicUrl: string | undefined): RequestHandler {
  const require = createRequire(import.meta.url);
  const swagger = dirname(require.resolve('swagger-ui-dist/package.json'));
  const root = besideThis('pages');
  const pages = createPages(publicUrl, FRESH);
  pages.get('/', (_request, response) => response.sendFile('index.html', { root }));
  pages.get(SWAGGER_FILES, (request, response) => response.sendFile(basename(request.path), { root: swagger }));
  return pages.use(filesOf(root));
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
  pages.use('/assets', keep, filesOf(join(root, 'assets')), (_request, _response, next) => next('router'));
  pages.get('/icon.svg', (_request, response) => response.sendFile('icon.svg', { root }));
  pages.get(['/', '/:view', '/:view/:id'], (request, response) => {
    const { originalUrl, baseUrl, path } = request;
    // Without the trailing slash, the page's relative URLs would resolve to the wrong folder.
    if (originalUrl.split('?', 1)[0] === baseUrl) return response.redirect(308, 'studio/');
    // Relative to the requested path, since a proxy may serve this under a path prefix.
    const html = page.replace(BASE, `<base href="${'../'.repeat(path.split('/').length - 2) || './'}" />`);
    const etag = `"${createHash('sha256').update(html).digest('hex')}"`;
    response.set('ETag', etag);
    if (isKnown(request.get('if-none-match'), etag)) response.status(304).end();
    else response.type('html').send(html);
  });
  return pages;
}

/** A folder that the build copies beside the bundle. */
function besideThis(folder: string): string {
  return fileURLToPath(new URL(folder, import.meta.url));
}

function filesOf(root: string): RequestHandler {
  return express.static(root, { index: false, redirect: false });
}

function createPages(publicUrl: string | undefined, cacheControl: string): Router {
  const policy = pagePolicy(publicUrl);
  return Router().use(compression({ brotli: SMALL_WINDOW }), (_request, response, next) => {
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
function pagePolicy(publicUrl: string | undefined): string {
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
