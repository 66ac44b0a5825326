import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { ALL_JOBS, firstIdAt } from '../record/indexes.js';

/** Ids read in one round trip. */
const PAGE = 500;

/**
 * Removes ids whose record is gone from the indexes of every API key; returns how many jobs that were. A record expires
 * no earlier than its lifetime after its creation, and `forget` cleans up after itself, so only older ids are read.
 * Most of these records are gone, except for jobs that waited or ran for long.
 */
export async function pruneIndexes(redis: Redis, keys: Keys, jobTtlSeconds: number): Promise<number> {
  const before = firstIdAt((await redisTime(redis)) - jobTtlSeconds * 1000);
  let pruned = 0;
  for (const caller of await redis.hkeys(keys.callers)) {
    for await (const members of membersOf(redis, keys.jobsOf(caller), before)) {
      pruned += await pruneJobs(redis, keys, caller, members);
    }
  }
  return pruned;
}

/** The members for all jobs of a key's list, up to the id `to`, in pages. Misses none when others leave meanwhile. */
export async function* membersOf(redis: Redis, index: string, to = '~'): AsyncGenerator<readonly string[]> {
  for (let from = `[${ALL_JOBS}`; ; ) {
    const members = await redis.zrangebylex(index, from, `[${ALL_JOBS}${to}`, 'LIMIT', 0, PAGE);
    const last = members.at(-1);
    if (last === undefined) return;
    yield members;
    from = `(${last}`;
  }
}

/** Removes jobs whose record is gone from the lists of the key, and releases their bytes. Returns how many there were. */
export async function pruneJobs(redis: Redis, keys: Keys, caller: string, members: readonly string[]): Promise<number> {
  return (await runScript(redis, 'prune', keys.jobsOf(caller), keys.prefix, { key: caller, members })) as number;
}
