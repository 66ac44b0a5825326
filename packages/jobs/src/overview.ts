import type { WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { readWorkers } from './announcements.js';
import type { Keys } from './keys.js';

export interface PoolOverview {
  readonly pool: string;
  /** Accepted and not ended. */
  readonly open: number;
  /** In the queue, taken by nobody. */
  readonly waiting: number;
  /** Executing. */
  readonly running: number;
}

export interface FleetOverview {
  readonly pools: readonly PoolOverview[];
  readonly workers: readonly WorkerAnnouncement[];
}

export async function readOverview(redis: Redis, keys: Keys): Promise<FleetOverview> {
  const [names, workers] = await Promise.all([redis.smembers(keys.pools), readWorkers(redis, keys)]);
  const pools = await Promise.all(names.sort().map((pool) => readPool(redis, keys, pool)));
  return { pools, workers };
}

async function readPool(redis: Redis, keys: Keys, pool: string): Promise<PoolOverview> {
  const [open, running, prioritized, givenBack, delayed] = await Promise.all([
    redis.zcard(keys.open(pool)),
    redis.scard(keys.running(pool)),
    redis.zcard(keys.prioritized(pool)),
    redis.llen(keys.waitList(pool)),
    redis.zcard(keys.delayed(pool)),
  ]);
  return { pool, open, waiting: prioritized + givenBack + delayed, running };
}
