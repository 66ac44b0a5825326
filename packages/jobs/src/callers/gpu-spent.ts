import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { expectedMs } from '../record/signature.js';
import { readUsage } from './usage.js';

export interface GpuSpent {
  /** For how many ms GPUs worked today (UTC) for jobs of the key that have ended. */
  readonly spentMs: number;
  /** How many ms its waiting jobs are expected to take, as far as such jobs were seen before. */
  readonly expectedMs: number;
}

/** The limit of a day counts both, so that a key cannot exceed it by queueing everything at once. */
export async function gpuSpent(redis: Redis, keys: Keys, key: string): Promise<GpuSpent> {
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
  return { spentMs: today?.gpuMs ?? 0, expectedMs: waiting.reduce((sum, ms) => sum + ms, 0) };
}
