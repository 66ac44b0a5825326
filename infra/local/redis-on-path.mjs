import { existsSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

/**
 * An environment in which `redis-server` is found by that name, and `redis-cli` if it lies beside: here they may have others
 * (valkey's), or not be on the PATH.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} path of the program
 * @param {string} scratch an existing folder that lives as long as the environment is used
 * @returns {NodeJS.ProcessEnv}
 */
export function redisOnPath(env, path, scratch) {
  symlinkSync(path, join(scratch, 'redis-server'));
  const cli = join(dirname(path), basename(path).replace('server', 'cli'));
  if (existsSync(cli)) symlinkSync(cli, join(scratch, 'redis-cli'));
  return { ...env, PATH: [scratch, env.PATH].join(delimiter) };
}
