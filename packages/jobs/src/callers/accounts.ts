import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { BatchedReads, RequestCount } from './batched-reads.js';
import { type GpuSpent, gpuSpent } from './gpu-spent.js';
import { readStanding, type Standing } from './standing.js';
import { bookUpload, type DayUsage, readUsage } from './usage.js';

/** What keys use. Every method fails with `queue_unavailable` while Redis is away. */
export interface Accounts {
  /** Counts one request of the key; asked together with `Jobs.get` it costs no round trip of its own. */
  count(key: string): Promise<RequestCount>;
  /** Books bytes that the key sends today. False when that would be more than `most`; then nothing is booked. */
  charge(key: string, bytes: number, most: number): Promise<boolean>;
  gpuSpent(key: string): Promise<GpuSpent>;
  /** What the key used in the last `days` days, today first. */
  usage(key: string, days: number): Promise<readonly DayUsage[]>;
  /** What the limits of the key are held against. */
  standing(key: string): Promise<Standing>;
  /** The ids of the keys that ever made a job, in alphabetical order. */
  keys(): Promise<readonly string[]>;
  /** Whether the key ever made a job. */
  isKnown(key: string): Promise<boolean>;
}

export function createAccounts(redis: Redis, keys: Keys, count: BatchedReads['count']): Accounts {
  return {
    count: (key) => orUnavailable(() => count(key)),
    charge: (key, bytes, most) => orUnavailable(() => bookUpload(redis, keys, key, { bytes, most, now: Date.now() })),
    gpuSpent: (key) => orUnavailable(() => gpuSpent(redis, keys, key)),
    standing: (key) => orUnavailable(() => readStanding(redis, keys, key)),
    keys: () => orUnavailable(async () => (await redis.smembers(keys.callers)).sort()),
    isKnown: (key) => orUnavailable(async () => (await redis.sismember(keys.callers, key)) === 1),
    usage: (key, days) => orUnavailable(() => readUsage(redis, keys, key, { days, now: Date.now() })),
  };
}
