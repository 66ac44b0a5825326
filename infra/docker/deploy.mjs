// Lays one built app, with the libraries that are not in its bundle, into a folder:  node infra/docker/deploy.mjs api /out
// Prints how large it is.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { walk } from './walk.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Of the app: what it is built from and tested with, and what is kept for the next build. */
const SOURCES = ['src', 'test', 'tsconfig.build.json', '.turbo', 'dist/inputs.json'];
/** For debuggers and compilers. */
const UNREAD = /\.(map|d\.[cm]?ts)$/;
/** Libraries name them as optional peers for the sake of their types; the workspace has them, so they come along. */
const FOR_TYPES = /^(typescript@|@typescript\+|@types\+)/;

const [app, folder] = process.argv.slice(2);
if (app === undefined || folder === undefined) throw new Error('usage: deploy.mjs <app> <folder>');
deploy(app, folder);
console.log(`${app}: ${(bytesIn(folder) / 1e6).toFixed(1)} MB`);

/**
 * @param {string} app
 * @param {string} folder
 */
function deploy(app, folder) {
  // From the lockfile: --legacy would resolve the dependencies anew, for which it needs metadata that `pnpm install
  // --frozen-lockfile` never fetches.
  pnpm(
    ['--config.inject-workspace-packages=true', '--fail-if-no-match', '--filter', `@comfy-fleet/${app}`],
    ['deploy', '--prod', '--offline', folder],
  );
  const store = join(folder, 'node_modules/.pnpm');
  for (const name of readdirSync(store)) {
    if (FOR_TYPES.test(name)) rmSync(join(store, name), { recursive: true });
  }
  for (const name of SOURCES) rmSync(join(folder, name), { recursive: true, force: true });
  // pnpm's own, with the paths of the machine that built
  rmSync(join(folder, 'pnpm-lock.yaml'), { force: true });
  for (const { path, entry } of walk(folder)) {
    const isDeadLink = entry.isSymbolicLink() && !existsSync(path);
    if (isDeadLink || (entry.isFile() && UNREAD.test(entry.name))) rmSync(path);
  }
}

/**
 * What it prints is shown when it fails. It writes its errors to standard output.
 * @param {readonly string[]} options
 * @param {readonly string[]} command
 */
function pnpm(options, command) {
  const args = [join(ROOT, 'node_modules/pnpm/bin/pnpm.cjs'), ...options, ...command];
  const ended = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (ended.status === 0) return;
  process.stderr.write(`${ended.stdout ?? ''}${ended.stderr ?? ''}`);
  throw ended.error ?? new Error(`pnpm ${command.join(' ')} ended with ${ended.status ?? ended.signal}`);
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
