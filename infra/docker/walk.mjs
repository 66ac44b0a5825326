import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Yields everything in a folder and its subfolders. Does not follow links: since Node 24, `readdirSync` with `recursive` and
 * `withFileTypes` follows links to folders, and pnpm's links between packages form circles.
 * @param {string} folder
 * @returns {Generator<{ path: string, entry: import('node:fs').Dirent }>}
 */
export function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    yield { path, entry };
    if (entry.isDirectory()) yield* walk(path);
  }
}
