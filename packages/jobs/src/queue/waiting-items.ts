import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { idsOf, inPages } from '../record/id-pages.js';

/** How many work items of a pool no worker has. */
export async function countWaitingItems(redis: Redis, keys: Keys, pool: string): Promise<number> {
  const counts = await Promise.all([
    redis.zcard(keys.prioritized(pool)),
    redis.llen(keys.waitList(pool)),
    redis.zcard(keys.delayed(pool)),
  ]);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The job ids of the work items of a pool that no worker has. One that changes hands meanwhile may be missed. */
export async function waitingItems(redis: Redis, keys: Keys, pool: string): Promise<Set<string>> {
  return new Set([
    ...(await idsOf(redis, keys.prioritized(pool), 0)),
    ...(await idsOf(redis, keys.delayed(pool), 0)),
    ...(await redis.lrange(keys.waitList(pool), 0, -1)),
  ]);
}

/** Which of the jobs have no work item that waits or is in anybody's hands. */
export async function withoutItem(redis: Redis, keys: Keys, pool: string, ids: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const page of inPages(ids)) {
    const items = await Promise.all(page.map((id) => redis.hmget(keys.workItem(pool, id), 'name', 'finishedOn')));
    missing.push(...page.filter((_, n) => items[n]?.[0] === null || items[n]?.[1] !== null));
  }
  return missing;
}
