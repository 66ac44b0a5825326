import { findProgram } from './redis-binary.mjs';

/**
 * @param {{ env: NodeJS.ProcessEnv, platform?: NodeJS.Platform }} machine
 * @returns {string | undefined} the path of apt-get, on a Debian or what descends from it
 */
export function findApt({ env, platform = process.platform }) {
  return platform === 'linux' ? findProgram('apt-get', env) : undefined;
}

/**
 * Only root may. Throws a Problem when apt-get fails.
 * @param {string} apt
 * @param {readonly string[]} packages
 * @param {{ env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run }} means
 */
export async function aptInstall(apt, packages, { env, run }) {
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', apt, ['update', '-q'], quiet);
  await run('apt-get', apt, ['install', '-y', '-q', '--no-install-recommends', ...packages], quiet);
}
