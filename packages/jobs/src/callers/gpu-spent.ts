import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { expectedMs, readDurations } from '../record/signature.js';
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
  const waiting = await Promise.all(pools.map((pool) => readWaitingMs(redis, keys, pool, key)));
  return { spentMs: today?.gpuMs ?? 0, expectedMs: sumOf(waiting) };
}

async function readWaitingMs(redis: Redis, keys: Keys, pool: string, key: string): Promise<number> {
  const [waiting, durations] = await Promise.all([
    redis.hgetall(keys.waitingLike(pool, key)),
    readDurations(redis, keys, pool),
  ]);
  return sumOf(Object.entries(waiting).map(([like, jobs]) => Number(jobs) * (expectedMs(like, durations) ?? 0)));
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
