// Lays one built app with its production dependencies into a folder:  node infra/docker/deploy.mjs api /out
// Prints how large it is.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Of our own packages: what they are built from and tested with. */
const SOURCES = ['src', 'test', 'tsconfig.build.json', '.turbo'];
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
  const pnpm = join(ROOT, 'node_modules/pnpm/bin/pnpm.cjs');
  const args = ['--filter', `@comfy-fleet/${app}`, 'deploy', '--legacy', '--prod', '--offline', folder];
  execFileSync(process.execPath, [pnpm, ...args], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });

  const store = join(folder, 'node_modules/.pnpm');
  for (const name of readdirSync(store)) {
    if (FOR_TYPES.test(name)) rmSync(join(store, name), { recursive: true });
    const [scope, rest] = name.split('@file+')[0]?.split('+') ?? [];
    if (scope === '@comfy-fleet' && rest !== undefined) withoutSources(join(store, name, 'node_modules', scope, rest));
  }
  withoutSources(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const isDeadLink = entry.isSymbolicLink() && !existsSync(path);
    if (isDeadLink || (entry.isFile() && UNREAD.test(entry.name))) rmSync(path);
  }
}

/** @param {string} folder of a package */
function withoutSources(folder) {
  for (const name of SOURCES) rmSync(join(folder, name), { recursive: true, force: true });
}

/**
 * @param {string} folder
 * @returns {number} links count as what they are
 */
function bytesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => (lstatSync(path).isFile() ? statSync(path).size : 0))
    .reduce((sum, size) => sum + size, 0);
}
