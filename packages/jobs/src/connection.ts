import type { RedisSettings } from '@comfy-fleet/config';
import * as redis from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { loadScripts, type ScriptName } from './lua/scripts.js';

/** For a process that answers callers, and knows our scripts. */
export function producerConnection(settings: RedisSettings, log: Logger): Redis {
  return redis.producerConnection(settings, log, loadScripts());
}

/** For a process that has work in hand, and knows our scripts. */
export function workerConnection(settings: RedisSettings, log: Logger): Redis {
  return redis.workerConnection(settings, log, loadScripts());
}

/** Runs one transition script. */
export function runScript(
  at: Redis,
  name: ScriptName,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  return redis.runScript(at, name, key, args);
}
