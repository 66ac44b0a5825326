// Copies a built app, with the libraries that are not in its bundle, to a folder:  node infra/docker/deploy.mjs api /out
// Prints its size.
import { cpSync, existsSync, lstatSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOT_BUNDLED } from '../build/not-bundled.mjs';
import { walk } from './walk.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Where pnpm keeps each library, beside links to the libraries that it needs. */
const STORE = join(ROOT, 'node_modules/.pnpm');
/** Source maps and types are for debuggers and compilers. */
const UNREAD = /\.(map|d\.[cm]?ts)$/;
/** Optional peers that libraries have for the sake of their types. */
const FOR_TYPES = /^(typescript@|@typescript\+|@types\+)/;

const [app = '', folder = ''] = process.argv.slice(2);
if (app === '' || folder === '') throw new Error('usage: deploy.mjs <app> <folder>');
const home = join(ROOT, 'apps', app);
if (!existsSync(join(home, 'dist/main.js'))) throw new Error(`apps/${app} is not built`);
deploy();
console.log(`${app}: ${(bytesIn(folder) / 1e6).toFixed(1)} MB`);

function deploy() {
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'dist']) cpSync(join(home, name), join(folder, name), { recursive: true });
  rmSync(join(folder, 'dist/inputs.json'));
  for (const name of NOT_BUNDLED) {
    const link = join(home, 'node_modules', name);
    if (!existsSync(link)) continue;
    const library = relative(STORE, realpathSync(link));
    const to = join(folder, 'node_modules', name);
    mkdirSync(dirname(to), { recursive: true });
    symlinkSync(relative(dirname(to), join(folder, 'node_modules/.pnpm', library)), to);
    copyLibrary(library.split('/')[0]);
  }
  for (const { path, entry } of walk(folder)) {
    const isDeadLink = entry.isSymbolicLink() && !existsSync(path);
    if (isDeadLink || (entry.isFile() && UNREAD.test(entry.name))) rmSync(path);
  }
}

/**
 * Copies a library and all that it links to.
 * @param {string | undefined} id its folder in the store
 */
function copyLibrary(id = '') {
  const to = join(folder, 'node_modules/.pnpm', id);
  if (FOR_TYPES.test(id) || existsSync(to)) return;
  cpSync(join(STORE, id), to, { recursive: true, verbatimSymlinks: true });
  for (const { path, entry } of walk(join(STORE, id))) {
    if (entry.isSymbolicLink() && existsSync(path)) copyLibrary(relative(STORE, realpathSync(path)).split('/')[0]);
  }
}

/**
 * @param {string} folder
 * @returns {number} links count as what they are
 */
function bytesIn(folder) {
  let sum = 0;
  for (const { path, entry } of walk(folder)) if (entry.isFile()) sum += lstatSync(path).size;
  return sum;
}
