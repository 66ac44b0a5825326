import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { readShares } from './read-shares.js';
import type { KeyShare } from './shares.js';
import { readWaitingModels, type WaitingModels } from './waiting-models.js';

export interface SchedulingOverview {
  /** What each key that had anything in the last hour gets of the GPU time, in no order. */
  readonly shares: readonly KeyShare[];
  /** Pool → what its jobs wait for that no worker has taken yet, most jobs first. */
  readonly waitingModels: ReadonlyMap<string, readonly WaitingModels[]>;
  /** Redis' clock, in ms. */
  readonly now: number;
}

/** How the scheduling does, in four round trips however many jobs wait. */
export async function readScheduling(redis: Redis, keys: Keys): Promise<SchedulingOverview> {
  const [now, pools] = await Promise.all([redisTime(redis), redis.smembers(keys.pools)]);
  const [shares, models] = await Promise.all([
    readShares(redis, keys, { pools, now }),
    Promise.all(pools.map(async (pool) => [pool, await readWaitingModels(redis, keys, pool)] as const)),
  ]);
  return { shares, waitingModels: new Map(models), now };
}
