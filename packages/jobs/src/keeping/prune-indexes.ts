import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { firstIdAt } from '../record/first-id.js';

/** Ids looked at in one round trip. */
const PAGE = 500;

/**
 * Takes ids whose record is gone out of the indexes of every API key; answers how many. A record goes by itself no
 * earlier than its lifetime after its creation, and `forget` clears up behind itself: only ids older than that are
 * looked at, of which all are gone whose jobs did not wait or run for long.
 */
export async function pruneIndexes(redis: Redis, keys: Keys, jobTtlSeconds: number): Promise<number> {
  const to = `[${firstIdAt((await redisTime(redis)) - jobTtlSeconds * 1000)}`;
  let pruned = 0;
  for (const caller of await redis.smembers(keys.callers)) {
    const index = keys.jobsOf(caller);
    for (let from = '-'; ; ) {
      const ids = await redis.zrangebylex(index, from, to, 'LIMIT', 0, PAGE);
      const last = ids.at(-1);
      if (last === undefined) break;
      const gone = await withoutRecord(redis, keys, ids);
      // The id is given out once, with its record: one that has none will never have one again.
      if (gone.length > 0) pruned += await redis.zrem(index, ...gone);
      from = `(${last}`;
    }
  }
  return pruned;
}

async function withoutRecord(redis: Redis, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.exists(keys.job(id));
  const replies = (await pipeline.exec()) ?? [];
  return ids.filter((_, index) => replies[index]?.[1] === 0);
}
