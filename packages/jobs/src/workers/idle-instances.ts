import { fresh } from '@comfy-fleet/contracts';
import type { RedisClock } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * How long an instance counts as idle after it was said; an idle worker says it again each time its look for work ends.
 */
const IDLE_LIFE_MS = 2500;
/** How old the answer may be: what is prefetched wrongly in that time is recalled. */
const IDLE_FRESH_MS = 100;

/** Which instances of a pool stand idle, as the workers say of their own. */
export interface IdleInstances {
  /**
   * Whether another process has said within the last seconds that an instance of the pool stands idle; may be 100 ms
   * old.
   */
  othersIdle(): Promise<boolean>;
  /** Says that instances of ours stand idle, or that they do not any more. */
  reportIdle(instances: readonly string[]): Promise<void>;
  reportBusy(instances: readonly string[]): Promise<void>;
}

export interface IdleInstancesOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  readonly worker: string;
  readonly clock: RedisClock;
}

export function createIdleInstances({ redis, keys, pool, worker, clock }: IdleInstancesOptions): IdleInstances {
  const othersIdle = fresh(IDLE_FRESH_MS, async () => {
    const idle = await redis.zrangebyscore(keys.idle(pool), clock.now(), '+inf');
    return idle.some((name) => !name.startsWith(`${worker}/`));
  });
  return {
    othersIdle: othersIdle.now,
    reportIdle: async (instances) => {
      const until = clock.now() + IDLE_LIFE_MS;
      await redis
        .pipeline()
        .zadd(keys.idle(pool), ...instances.flatMap((name) => [until, name]))
        .zremrangebyscore(keys.idle(pool), 0, clock.now())
        .pexpire(keys.idle(pool), IDLE_LIFE_MS)
        .exec();
    },
    reportBusy: async (instances) => {
      await redis.zrem(keys.idle(pool), ...instances);
    },
  };
}
