import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Installs the dependencies with the pinned pnpm and builds what changed. Both are quick when there is nothing to do.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./redis-provision.mjs').Run} run
 */
export async function prepareWorkspace(root, env, run) {
  const { command, args } = pnpm(root, env);
  const install = ['install', '--frozen-lockfile', '--config.confirmModulesPurge=false'];
  await run('install', command, [...args, ...install], env);
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
 * The pinned pnpm: the one in node_modules once it is there, before that through npm, which comes with Node.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 */
function pnpm(root, env) {
  const pinned = readJson(join(root, 'package.json'))?.packageManager?.split('@')[1]?.split('+')[0];
  const installed = readJson(join(root, 'node_modules/pnpm/package.json'))?.version;
  if (installed === pinned) {
    return { command: process.execPath, args: [join(root, 'node_modules/pnpm/bin/pnpm.cjs')] };
  }
  const npm = env.npm_execpath?.endsWith('npm-cli.js')
    ? { command: process.execPath, args: [env.npm_execpath] }
    : { command: 'npm', args: [] };
  return { command: npm.command, args: [...npm.args, 'exec', '--yes', `pnpm@${pinned}`, '--'] };
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
