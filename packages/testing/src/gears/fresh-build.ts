import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the bundle of an app was made of: file → SHA-256. Written by infra/build/bundle.mjs. */
const BUNDLED_FROM = 'dist/inputs.json';
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Before any system test runs: they start what was built, and would try what is no longer there. */
export default function setup(): void {
  refuseStaleBuild(ROOT);
}

/** Throws, with what to type, when what was built of an app or a package is not made of its sources as they are now. */
export function refuseStaleBuild(root: string): void {
  for (const folder of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, folder))) {
      const home = `${folder}/${name}`;
      if (!existsSync(join(root, home, 'src'))) continue; // nothing of it is built
      const isBundle = existsSync(join(root, home, BUNDLED_FROM));
      const stale = isBundle ? staleInput(root, home) : staleSource(root, home);
      if (stale !== undefined) throw new Error(`${home}/dist is older than ${stale}. Type: npm run build`);
    }
  }
}

/** Of a bundle: it lists everything that it was made of, the files of packages and libraries too. */
function staleInput(root: string, home: string): string | undefined {
  const list = join(root, home, BUNDLED_FROM);
  const { mtimeMs } = statSync(list);
  const digests = JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>;
  return Object.keys(digests).find((file) => !isInput(join(root, file), mtimeMs, digests[file]));
}

function isInput(source: string, builtAt: number, digest: string | undefined): boolean {
  try {
    if (builtAt >= statSync(source).mtimeMs) return true;
    return createHash('sha256').update(readFileSync(source)).digest('hex') === digest;
  } catch {
    return false; // it is gone
  }
}

/** Of what was built file by file. */
function staleSource(root: string, home: string): string | undefined {
  const files = readdirSync(join(root, home, 'src'), { recursive: true, encoding: 'utf8' });
  const stale = files.find((file) => /\.(ts|lua)$/.test(file) && !isBuilt(join(root, home), file));
  return stale && `${home}/src/${stale}`;
}

/**
 * Newer is enough. Older is not yet stale: turbo may have found in its cache what was built of the same text, and git gives
 * files the time at which it wrote them. Then the source map tells of which text it was built.
 */
function isBuilt(home: string, file: string): boolean {
  const source = join(home, 'src', file);
  const built = join(home, 'dist', file.replace(/\.ts$/, '.js'));
  try {
    if (statSync(built).mtimeMs >= statSync(source).mtimeMs) return true;
    if (file.endsWith('.lua')) return readFileSync(built, 'utf8') === readFileSync(source, 'utf8');
    const { sourcesContent } = JSON.parse(readFileSync(`${built}.map`, 'utf8')) as { sourcesContent?: string[] };
    return sourcesContent?.[0] === readFileSync(source, 'utf8');
  } catch {
    return false; // it was never built
  }
}
