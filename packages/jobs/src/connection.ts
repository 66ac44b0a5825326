import type { RedisSettings } from '@comfy-fleet/config';
import * as redis from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { SCRIPTS } from './scripts/index.js';

/** For a process that answers callers, and knows our scripts. */
export function producerConnection(settings: RedisSettings, log: Logger): Redis {
  return redis.producerConnection(settings, log, SCRIPTS);
}

/** For a process that has work in hand, and knows our scripts. */
export function workerConnection(settings: RedisSettings, log: Logger): Redis {
  return redis.workerConnection(settings, log, SCRIPTS);
}

/** Runs one transition script. */
export function runScript(
  at: Redis,
  name: keyof typeof SCRIPTS,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  return redis.runScript(at, name, key, args);
}
