import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Everything in a folder and the folders in it. Links are named, and never followed: from Node 24 on `readdirSync` with
 * `recursive` and `withFileTypes` follows those that lead to folders, and pnpm links packages to each other in circles.
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
