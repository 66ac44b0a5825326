import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Problem } from './problem.mjs';

/**
 * Installs the dependencies with the pinned pnpm and builds what changed. Both are quick when there is nothing to do.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./redis-provision.mjs').Run} run
 */
export async function prepareWorkspace(root, env, run) {
  await install(root, env, run);
  await build(root, env, run);
}

/**
 * Builds what changed, with everything installed.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./redis-provision.mjs').Run} run
 */
export async function build(root, env, run) {
  await run('build', process.execPath, [turbo(root), 'run', 'build', '--output-logs=errors-only'], toolEnv(root, env));
}

/**
 * The environment in which the workspace's own tools find each other, without any of them installed on the machine.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function toolEnv(root, env) {
  const PATH = [join(root, 'node_modules/.bin'), env.PATH].join(delimiter);
  return { ...env, PATH, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
}

/** @param {string} root */
function turbo(root) {
  return join(root, 'node_modules/turbo/bin/turbo');
}

/**
 * With the pinned pnpm: the one in node_modules once it is there, else through npm, which comes with Node. The one in
 * node_modules cannot lay node_modules anew (another store, say): it would take itself away in the middle.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./redis-provision.mjs').Run} run
 */
export async function install(root, env, run) {
  const pinned = readJson(join(root, 'package.json'))?.packageManager?.split('@')[1]?.split('+')[0];
  const installed = readJson(join(root, 'node_modules/pnpm/package.json'))?.version;
  const args = ['install', '--frozen-lockfile', '--config.confirmModulesPurge=false'];
  if (installed === pinned) {
    try {
      return await run('install', process.execPath, [join(root, 'node_modules/pnpm/bin/pnpm.cjs'), ...args], env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  const npm = env.npm_execpath?.endsWith('npm-cli.js')
    ? { command: process.execPath, args: [env.npm_execpath] }
    : { command: 'npm', args: [] };
  // --prefix: npm would take the pnpm of this folder if it has one
  const exec = ['exec', '--yes', '--prefix', tmpdir(), `pnpm@${pinned}`, '--', '--dir', root, ...args];
  await run('install', npm.command, [...npm.args, ...exec], env);
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
