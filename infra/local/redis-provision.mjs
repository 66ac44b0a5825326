import { join } from 'node:path';
import { aptInstall, aptUnpack, findApt } from './apt.mjs';
import { Problem } from './problem.mjs';
import { findProgram, findRedisBinary, OLDEST_REDIS, USUAL_PLACES } from './redis-binary.mjs';

/** Debian's packages, and replacements if those are missing or too old. */
const UNPACKED = [
  { packages: ['redis-server', 'redis-tools'], programs: ['redis-server', 'redis-cli'] },
  { packages: ['valkey-server', 'valkey-tools'], programs: ['valkey-server', 'valkey-cli'] },
];

const UNPACKED_AS = 'redis';

const WINDOWS =
  'Run comfy-fleet inside WSL 2; or start a Redis, such as docker run -d -p 6379:6379 -v redis:/data redis:8-alpine redis-server --appendonly yes, and set REDIS_URL=redis://127.0.0.1:6379';

/**
 * @typedef {{ kind: 'binary', path: string } | { kind: 'docker', path: string }} RedisSource
 * @typedef {(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<void>} Run
 * @typedef {{
 *   env: NodeJS.ProcessEnv, run: Run, say: (text: string) => void, mayUseDocker: boolean, packagesDir: string,
 *   platform?: NodeJS.Platform, isRoot?: boolean, usualPlaces?: readonly string[],
 * }} Means
 */

/**
 * Finds or provides a Redis: an installed one, or else installs one (apt-get as root, or Homebrew), or else unpacks Debian's
 * packages in `packagesDir`, or else uses Docker. If all of that fails, throws a Problem with the command to install one.
 * @param {Means} means
 * @returns {Promise<RedisSource>}
 */
export async function provideRedis(means) {
  const { env, say, mayUseDocker } = means;
  const { found, tooOld } = await find(means);
  if (found !== undefined) return { kind: 'binary', path: found.path };
  for (const { path, version } of tooOld) say(`${path} is version ${version}; ${OLDEST_REDIS} or newer is needed.`);

  const whyNot = await install(means);
  const installed = whyNot === undefined ? (await find(means)).found : undefined;
  if (installed !== undefined) return { kind: 'binary', path: installed.path };

  // On Windows, a container would survive its killed `docker run`, and two containers would destroy the data.
  const docker =
    mayUseDocker && (means.platform ?? process.platform) !== 'win32' ? findProgram('docker', env) : undefined;
  if (docker !== undefined && (await engineWorks(docker, means))) return { kind: 'docker', path: docker };
  throw new Problem(
    `There is no Redis ${OLDEST_REDIS} or newer here${whyNot === undefined ? '' : ` (${whyNot})`}. ${whatToType(means)}`,
  );
}

/** @param {Means} means */
function find({ env, packagesDir, usualPlaces = USUAL_PLACES }) {
  return findRedisBinary(env, [...usualPlaces, join(packagesDir, UNPACKED_AS, 'bin')]);
}

/**
 * @param {Means} means
 * @returns {Promise<string | undefined>} why it could not be installed
 */
async function install(means) {
  const { env, run, say, platform = process.platform, isRoot = process.getuid?.() === 0 } = means;
  const apt = findApt(means);
  const brew = platform === 'darwin' ? findProgram('brew', env, ['/opt/homebrew/bin', '/usr/local/bin']) : undefined;
  try {
    if (apt !== undefined && isRoot) {
      say('Installing redis-server with apt-get.');
      await aptInstall(apt, ['redis-server'], means);
      return undefined;
    }
    if (brew !== undefined && !isRoot) {
      say('Installing redis with Homebrew.');
      await run('brew', brew, ['install', 'redis'], env);
      return undefined;
    }
    return apt === undefined ? 'and no apt-get or brew to install it with' : await unpack(apt, means);
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

/**
 * @param {string} apt
 * @param {Means} means
 * @returns {Promise<string | undefined>} why none was unpacked
 */
async function unpack(apt, means) {
  means.say('Fetching redis-server with apt-get for this folder only, because only root may install it.');
  /** @type {Problem | undefined} */
  let problem;
  for (const wanted of UNPACKED) {
    try {
      await aptUnpack(apt, wanted, join(means.packagesDir, UNPACKED_AS), means);
      if ((await find(means)).found !== undefined) return undefined;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem ??= error;
    }
  }
  return problem === undefined ? 'and that of the packages does not run, or is too old' : problem.message;
}

/**
 * @param {string} docker
 * @param {Means} means
 */
async function engineWorks(docker, { run }) {
  try {
    await run('docker', docker, ['version', '--format', 'Docker engine {{.Server.Version}}']);
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** @param {Means} means */
function whatToType({ env, platform = process.platform }) {
  if (platform === 'darwin') return 'Install Homebrew (https://brew.sh) and type: brew install redis';
  if (platform === 'win32') return WINDOWS;
  const [, command] = [
    ['apt-get', 'sudo apt-get update && sudo apt-get install -y redis-server'],
    ['dnf', 'sudo dnf install -y valkey || sudo dnf install -y redis'],
    ['pacman', 'sudo pacman -S valkey'],
    ['zypper', 'sudo zypper install redis'],
    ['apk', 'sudo apk add valkey'],
  ].find(([program = '']) => findProgram(program, env) !== undefined) ?? [
    undefined,
    'install redis-server with your package manager',
  ];
  return `Type: ${command}    (or set REDIS_URL to a Redis of yours)`;
}
