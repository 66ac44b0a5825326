import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { firstIdAt } from '../record/first-id.js';

/** Ids looked at in one round trip. */
const PAGE = 500;

/**
 * Takes ids whose record is gone out of the indexes of every API key; answers how many jobs that were. A record goes by
 * itself no earlier than its lifetime after its creation, and `forget` clears up behind itself: only ids older than that
 * are looked at, of which all are gone whose jobs did not wait or run for long.
 */
export async function pruneIndexes(redis: Redis, keys: Keys, jobTtlSeconds: number): Promise<number> {
  const before = (await redisTime(redis)) - jobTtlSeconds * 1000;
  let pruned = 0;
  for (const caller of await redis.smembers(keys.callers)) {
    pruned += await pruneById(redis, keys, keys.jobsOf(caller), before);
    for (const index of [keys.openOf(caller), keys.endedOf(caller)]) await pruneByTime(redis, keys, index, before);
  }
  return pruned;
}

async function pruneById(redis: Redis, keys: Keys, index: string, before: number): Promise<number> {
  const to = `[${firstIdAt(before)}`;
  let pruned = 0;
  for (let from = '-'; ; ) {
    const ids = await redis.zrangebylex(index, from, to, 'LIMIT', 0, PAGE);
    const last = ids.at(-1);
    if (last === undefined) return pruned;
    pruned += await prune(redis, keys, index, ids);
    from = `(${last}`;
  }
}

async function pruneByTime(redis: Redis, keys: Keys, index: string, before: number): Promise<void> {
  for (let stay = 0; ; ) {
    const ids = await redis.zrangebyscore(index, 0, before, 'LIMIT', stay, PAGE);
    if (ids.length === 0) return;
    stay += ids.length - (await prune(redis, keys, index, ids));
  }
}

/** An id is given out once, with its record: one that has none will never have one again. */
async function prune(redis: Redis, keys: Keys, index: string, ids: readonly string[]): Promise<number> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.exists(keys.job(id));
  const replies = (await pipeline.exec()) ?? [];
  const gone = ids.filter((_, n) => replies[n]?.[1] === 0);
  return gone.length === 0 ? 0 : redis.zrem(index, ...gone);
}
