import { symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * An environment in which `redis-server` is found by that name: here it may have another, or lie beside the PATH.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} path of the program
 * @param {string} scratch an existing folder that lives as long as the environment is used
 * @returns {NodeJS.ProcessEnv}
 */
export function redisOnPath(env, path, scratch) {
  symlinkSync(path, join(scratch, 'redis-server'));
  return { ...env, PATH: [scratch, env.PATH].join(delimiter) };
}
