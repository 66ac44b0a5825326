// Copies the built apps, and the libraries that are not bundled, to a folder for the image. Writes the SBOM and prints the
// size:  node infra/docker/deploy.mjs /out
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NOT_BUNDLED } from '../build/not-bundled.mjs';
import { walk } from './walk.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const APPS = ['api', 'worker', 'dispatcher', 'cli', 'simulator'];
/** pnpm's folder of libraries, each next to links to the libraries that it needs. */
const STORE = join(ROOT, 'node_modules/.pnpm');
/** Source maps and types, which only debuggers and compilers read. */
const UNREAD = /\.(map|d\.[cm]?ts)$/;
/** The file that describes a library. */
const LIBRARY = /\/node_modules\/(@[^/]+\/)?[^/@]+\/package\.json$/;
/** Optional peers that libraries need only for their types. */
const FOR_TYPES = /^(typescript@|@typescript\+|@types\+)/;

const [folder = ''] = process.argv.slice(2);
if (folder === '') throw new Error('usage: deploy.mjs <folder>');
for (const app of APPS) deploy(app);
removeUnread();
writeSbom();
console.log(`${(bytesIn(folder) / 1e6).toFixed(1)} MB`);

/** @param {string} app */
function deploy(app) {
  const home = join('apps', app);
  for (const name of ['package.json', 'dist'])
    cpSync(join(ROOT, home, name), join(folder, home, name), { recursive: true });
  rmSync(join(folder, home, 'dist/inputs.json'));
  for (const name of NOT_BUNDLED) {
    const link = join(ROOT, home, 'node_modules', name);
    const to = join(folder, 'node_modules', name);
    if (!existsSync(link) || existsSync(to)) continue;
    const library = relative(STORE, realpathSync(link));
    mkdirSync(dirname(to), { recursive: true });
    symlinkSync(relative(dirname(to), join(folder, 'node_modules/.pnpm', library)), to);
    copyLibrary(library.split('/')[0]);
  }
}

function removeUnread() {
  for (const { path, entry } of walk(folder)) {
    const isDeadLink = entry.isSymbolicLink() && !existsSync(path);
    if (isDeadLink || (entry.isFile() && UNREAD.test(entry.name))) rmSync(path);
  }
}

/**
 * Writes an SBOM of all libraries, both in node_modules and in the bundles. CycloneDX's tool reads them from an esbuild
 * metafile.
 */
function writeSbom() {
  // Use the same paths as the bundles, so that a library that is also bundled counts once.
  const copied = [...walk(join(folder, 'node_modules'))].map(({ path }) => relative(folder, path));
  const bundled = [...APPS, 'studio'].flatMap((app) => {
    /** @type {Record<string, string>} */
    const inputs = JSON.parse(readFileSync(join(ROOT, 'apps', app, 'dist/inputs.json'), 'utf8'));
    return Object.keys(inputs).filter((path) => path.startsWith('node_modules/'));
  });
  const inputs = Object.fromEntries(
    [...copied.filter((path) => LIBRARY.test(path)), ...bundled].map((path) => [
      path,
      { imports: [], bytesInOutput: 1 },
    ]),
  );
  const metafile = join(folder, 'metafile.json');
  writeFileSync(metafile, JSON.stringify({ inputs, outputs: { image: { inputs } } }));
  const tool = new URL('../bin/cyclonedx-esbuild-cli.js', import.meta.resolve('@cyclonedx/cyclonedx-esbuild'));
  const args = ['--output-reproducible', '--output-file', join(folder, 'sbom.cdx.json'), metafile];
  execFileSync(process.execPath, [fileURLToPath(tool), ...args], { cwd: ROOT, stdio: 'pipe' });
  rmSync(metafile);
}

/**
 * Copies a library and the libraries that it links to.
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
 * @returns {number} ignores links
 */
function bytesIn(folder) {
  let sum = 0;
  for (const { path, entry } of walk(folder)) if (entry.isFile()) sum += lstatSync(path).size;
  return sum;
}
