import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { expectedMs } from '../record/signature.js';
import { readUsage } from './usage.js';

/**
 * For how many ms GPUs worked for the key today (UTC), and would for its jobs that wait, as far as such jobs were seen:
 * so that a limit of a day cannot be passed by at its beginning.
 */
export async function gpuSpentMs(redis: Redis, keys: Keys, key: string): Promise<number> {
  const [today] = await readUsage(redis, keys, key, { days: 1, now: Date.now() });
  const pools = await redis.smembers(keys.pools);
  const batch = redis.pipeline();
  for (const pool of pools) batch.hgetall(keys.waitingLike(pool, key)).hgetall(keys.durations(pool));
  const replies = ((await batch.exec()) ?? []).map(([, reply]) => reply as Record<string, string>);
  const waiting = pools.map((_pool, n) => {
    const durations = new Map(Object.entries(replies[2 * n + 1] ?? {}).map(([like, ms]) => [like, Number(ms)]));
    return Object.entries(replies[2 * n] ?? {})
      .map(([signature, jobs]) => Number(jobs) * (expectedMs(signature, durations) ?? 0))
      .reduce((sum, ms) => sum + ms, 0);
  });
  return waiting.reduce((sum, ms) => sum + ms, today?.gpuMs ?? 0);
}
