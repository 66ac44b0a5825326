import { fresh } from '@comfy-fleet/contracts';
import type { RedisClock } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * How long an instance counts as idle after its worker reported it. An idle worker reports it each time it looks for
 * work.
 */
const IDLE_LIFE_MS = 2500;
/** How old the answer may be. A job that was prefetched wrongly in that time is recalled. */
const IDLE_FRESH_MS = 100;

export interface IdleInstancesOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  readonly worker: string;
  readonly clock: RedisClock;
}

/** The idle instances of a pool, as reported by their workers. */
export function createIdleInstances({ redis, keys, pool, worker, clock }: IdleInstancesOptions) {
  const othersIdle = fresh(IDLE_FRESH_MS, async () => {
    const idle = await redis.zrangebyscore(keys.idle(pool), clock.now(), '+inf');
    return idle.some((name) => !name.startsWith(`${worker}/`));
  });
  return {
    /** Whether another process has reported an idle instance of the pool within the last seconds; up to 100 ms old. */
    othersIdle: othersIdle.now,
    /** Reports that instances of this worker are idle, or no longer idle. */
    reportIdle: async (instances: readonly string[]): Promise<void> => {
      const until = clock.now() + IDLE_LIFE_MS;
      await redis
        .pipeline()
        .zadd(keys.idle(pool), ...instances.flatMap((name) => [until, name]))
        .zremrangebyscore(keys.idle(pool), 0, clock.now())
        .pexpire(keys.idle(pool), IDLE_LIFE_MS)
        .exec();
    },
    reportBusy: async (instances: readonly string[]): Promise<void> => {
      await redis.zrem(keys.idle(pool), ...instances);
    },
  };
}
