import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Before any system test runs: they start what was built, and would try what is no longer there. */
export default function setup(): void {
  refuseStaleBuild(ROOT);
}

/** Throws, with what to type, when what was built of an app or a package is not made of its sources as they are now. */
export function refuseStaleBuild(root: string): void {
  for (const folder of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, folder))) {
      const stale = sourcesOf(join(root, folder, name)).find((file) => !isBuilt(join(root, folder, name), file));
      if (stale === undefined) continue;
      throw new Error(`${folder}/${name}/dist is older than ${folder}/${name}/src/${stale}. Type: npm run build`);
    }
  }
}

function sourcesOf(home: string): string[] {
  const files = readdirSync(join(home, 'src'), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /\.(ts|lua)$/.test(file));
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
