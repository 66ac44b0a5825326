import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { CachedFile } from './file-reply.js';
import { PAGE, START_SCRIPT } from './page.js';
import { RUNBOOK_NAME, RUNBOOK_PAGE, RUNBOOK_STYLE } from './runbook.js';

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

/** Of the package swagger-ui-dist: the most used reader of OpenAPI 3.1, and the one that needs no inline script or style. */
const SWAGGER_FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': STYLE,
  'swagger-ui-bundle.js': SCRIPT,
  'favicon-32x32.png': 'image/png',
};

/** The files of the page, read when they are asked for first; undefined for any other name. */
export type PageFiles = (name: string) => Promise<CachedFile | undefined>;

/** The name of the page itself among its files. */
export const PAGE_NAME = 'index.html';

export function createPageFiles(): PageFiles {
  const known = new Map<string, CachedFile>([
    [PAGE_NAME, cached(Buffer.from(PAGE), HTML)],
    ['start.js', cached(Buffer.from(START_SCRIPT), SCRIPT)],
    [RUNBOOK_NAME, cached(Buffer.from(RUNBOOK_PAGE), HTML)],
    ['runbook.css', cached(Buffer.from(RUNBOOK_STYLE), STYLE)],
  ]);
  return async (name) => {
    const ready = known.get(name);
    if (ready !== undefined || !Object.hasOwn(SWAGGER_FILES, name)) return ready;
    const file = cached(await readFile(join(swaggerFolder(), name)), SWAGGER_FILES[name] ?? '');
    known.set(name, file);
    return file;
  };
}

function swaggerFolder(): string {
  const require = createRequire(import.meta.url);
  return dirname(require.resolve('swagger-ui-dist/package.json'));
}

function cached(data: Buffer, contentType: string): CachedFile {
  return { data, contentType, sha256: createHash('sha256').update(data).digest('hex') };
}
