import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Deps } from '../../deps.js';
import type { ApiRequest, Handler, Route } from '../../server/messages.js';
import { createStaticFiles, FRESH, fileReply, pagePolicy, type StaticFile, staticFile } from './static-files.js';

/** Files of our documentation, in the folder `pages`, which infra/build/build.mjs copies beside the bundle. */
const OUR_FILES = ['index.html', 'start.js', 'runbook.html', 'runbook.css'];
/** Of swagger-ui-dist, a reader of OpenAPI 3.1 that needs no inline script or style. */
const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'];

/** docs/runbook.md for browsers. The heading of an alert has the alert's name in lower case as its anchor. */
export const RUNBOOK_PATH = '/docs/runbook.html';

/** The page that shows openapi.json to people, and `:file` of what it loads. */
export function createDocs({ config }: Pick<Deps, 'config'>): { readonly page: Handler; readonly file: Handler } {
  const files = createStaticFiles(async () => {
    const require = createRequire(import.meta.url);
    const swagger = dirname(require.resolve('swagger-ui-dist/package.json'));
    return [
      ...OUR_FILES.map((name) => [name, fileURLToPath(new URL(`pages/${name}`, import.meta.url))] as const),
      ...SWAGGER_FILES.map((name) => [name, join(swagger, name)] as const),
    ];
  });
  const headers = { ...pagePolicy(config.http.publicUrl), 'Cache-Control': FRESH };
  const reply = async (request: ApiRequest, name: string) => fileReply(request, await files(name), headers);
  return {
    page: (request) => reply(request, 'index.html'),
    file: (request) => reply(request, request.params.file ?? ''),
  };
}

/** A name with the digest of the content never means another content. */
const FOREVER = 'public, max-age=31536000, immutable';
/** Checked each time, so that the page and what it loads are of one version. */
const CHECKED = 'no-cache';
const BASE = '<base href="./" />';

/**
 * The studio at `/studio`, one page that is served at the address of each of its views. The build copies its files beside
 * the bundle. It is public: what it shows it
 * requests with the user's API key.
 */
export function studioRoutes({ config }: Pick<Deps, 'config'>): Route[] {
  if (!config.http.studio) return [];
  const files = createStaticFiles(async () => {
    const folder = fileURLToPath(new URL('studio', import.meta.url));
    const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(html|js|css|svg)$/.test(name));
    return names.map((name) => [name, join(folder, name)] as const);
  });
  const policy = pagePolicy(config.http.publicUrl);
  const page: Handler = async (request) => {
    // Relative URLs in the page would lead elsewhere below a path without the slash.
    if (request.path.endsWith('/studio')) return { status: 308, headers: { Location: 'studio/' } };
    const file = pageBelow(await files('index.html'), request.path);
    return fileReply(request, file, { ...policy, Vary: 'Accept-Encoding', 'Cache-Control': CHECKED });
  };
  const icon: Handler = async (request) =>
    fileReply(request, await files('icon.svg'), { ...policy, 'Cache-Control': CHECKED });
  const asset: Handler = async (request) =>
    fileReply(request, await files(`assets/${request.params.file}`), { ...policy, 'Cache-Control': FOREVER });
  return [
    { method: 'GET', path: '/studio', access: 'public', handler: page },
    { method: 'GET', path: '/studio/icon.svg', access: 'public', handler: icon },
    { method: 'GET', path: '/studio/assets/:file', access: 'public', handler: asset },
    { method: 'GET', path: '/studio/:view', access: 'public', handler: page },
    { method: 'GET', path: '/studio/:view/:id', access: 'public', handler: page },
  ];
}

/** The page with its base at `/studio/`, relative to the path that was asked for: a proxy may put others in front of it. */
function pageBelow(page: StaticFile, path: string): StaticFile {
  const depth = path.split('/').length - '/studio/'.split('/').length;
  if (depth <= 0) return page;
  const html = page.data.toString().replace(BASE, `<base href="${'../'.repeat(depth)}" />`);
  return staticFile(Buffer.from(html), page.contentType);
}
