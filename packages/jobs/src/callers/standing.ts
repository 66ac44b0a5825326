import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { type GpuSpent, gpuSpent } from './gpu-spent.js';
import { readUploadBytes } from './usage.js';

/** What the limits of a key are held against, as it is now. */
export interface Standing {
  readonly gpu: GpuSpent;
  /** Sent today (UTC). */
  readonly uploadBytes: number;
  readonly jobsWaiting: number;
  /** In workers' hands. */
  readonly jobsRunning: number;
}

export async function readStanding(redis: Redis, keys: Keys, key: string): Promise<Standing> {
  const [gpu, uploadBytes, waiting, jobsRunning] = await Promise.all([
    gpuSpent(redis, keys, key),
    readUploadBytes(redis, keys, key, Date.now()),
    redis.hget(keys.waiting, key),
    redis.scard(keys.takenOf(key)),
  ]);
  return { gpu, uploadBytes, jobsWaiting: Number(waiting ?? 0), jobsRunning };
}
