import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const NAMES = ['redis-server', 'valkey-server'];
const OLDEST = [6, 2];
/** Folders of package managers that may be missing in PATH. */
export const USUAL_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/sbin', '/usr/local/sbin'];

/**
 * @typedef {{ path: string, version: string }} RedisBinary
 * @typedef {Readonly<Record<string, string | undefined>>} Env
 */

/**
 * The first redis-server or valkey-server that runs and is new enough.
 * @param {Env} env
 * @param {readonly string[]} usualPlaces folders to search after those of PATH
 * @returns {Promise<{ found: RedisBinary | undefined, tooOld: readonly RedisBinary[] }>}
 */
export async function findRedisBinary(env, usualPlaces) {
  /** @type {RedisBinary[]} */
  const tooOld = [];
  for (const name of NAMES) {
    const path = findProgram(name, env, usualPlaces);
    const version = path === undefined ? undefined : await versionOf(path);
    if (path === undefined || version === undefined) continue;
    if (isNewEnough(version)) return { found: { path, version }, tooOld };
    tooOld.push({ path, version });
  }
  return { found: undefined, tooOld };
}

/**
 * @param {string} name
 * @param {Env} env
 * @param {readonly string[]} morePlaces
 * @returns {string | undefined} its path
 */
export function findProgram(name, env, morePlaces = []) {
  const places = [...(env.PATH ?? '').split(delimiter).filter((place) => place !== ''), ...morePlaces];
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  return places.map((place) => join(place, file)).find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} path */
async function versionOf(path) {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 60_000 });
    return /\bv=(\d+(\.\d+)+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldMajor = 0, oldMinor = 0] = OLDEST;
  return major > oldMajor || (major === oldMajor && minor >= oldMinor);
}

export const OLDEST_REDIS = OLDEST.join('.');

/**
 * Returns an environment in which `redis-server`, and `redis-cli` if it is in the same folder, are on the PATH: on this machine
 * they may have other names (Valkey) or not be on the PATH.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} path of the program
 * @param {string} scratch an existing folder, needed as long as the environment is used
 * @returns {NodeJS.ProcessEnv}
 */
export function redisOnPath(env, path, scratch) {
  symlinkSync(path, join(scratch, 'redis-server'));
  const cli = join(dirname(path), basename(path).replace('server', 'cli'));
  if (existsSync(cli)) symlinkSync(cli, join(scratch, 'redis-cli'));
  return { ...env, PATH: [scratch, env.PATH].join(delimiter) };
}
