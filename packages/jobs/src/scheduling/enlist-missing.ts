import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { idsOf, inPages } from '../record/id-pages.js';
import { needOf } from '../record/need.js';
import { readRequest } from '../record/stored-request.js';
import { turnLevel } from './turn-level.js';

/**
 * Gives each waiting job of a pool its turn that has none: a process of the version before this one made it, or its work
 * item was added again. Answers how many. Costs a count and a look at those that rest when there is none.
 */
export async function enlistMissing(redis: Redis, keys: Keys, pool: string): Promise<number> {
  const isComplete = (await redis.zcard(keys.prioritized(pool))) <= (await countEnlisted(redis, keys, pool));
  const queued = isComplete ? [] : await idsOf(redis, keys.prioritized(pool), 0);
  let enlisted = 0;
  for (const ids of inPages([...queued, ...(await idsOf(redis, keys.delayed(pool), 0))])) {
    enlisted += await enlistPage(redis, keys, ids);
  }
  return enlisted;
}

async function enlistPage(redis: Redis, keys: Keys, ids: readonly string[]): Promise<number> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hget(keys.job(id), 'request');
  const replies = (await pipeline.exec()) ?? [];
  const enlisted = ids.map(async (id, index) => {
    const request = replies[index]?.[1] as string | null;
    if (request === null) return 0;
    const resolved = readRequest(request);
    const args = [keys.prefix, id, 0, turnLevel(resolved), needOf(resolved)];
    return Number(await runScript(redis, 'enlist', keys.job(id), args));
  });
  return (await Promise.all(enlisted)).reduce((sum, count) => sum + count, 0);
}

async function countEnlisted(redis: Redis, keys: Keys, pool: string): Promise<number> {
  const [first, waiting] = await Promise.all([redis.llen(keys.first(pool)), redis.hvals(keys.needs(pool))]);
  return waiting.reduce((sum, count) => sum + Number(count), first);
}
