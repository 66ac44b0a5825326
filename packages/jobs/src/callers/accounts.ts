import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { BatchedReads } from './batched-reads.js';

const DAY_MS = 86_400_000;
const UPLOAD_BYTES = 'upload_bytes';
/** Days whose jobs say how long the jobs of a key usually take. */
const USUAL_DAYS = 7;
const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures', 'gpu_ms'] as const;

/** The day (UTC) of a time in ms, counted from 1970-01-01. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** What keys use. Every method fails with `queue_unavailable` while Redis is away. */
export function createAccounts(redis: Redis, keys: Keys, count: BatchedReads['count']) {
  const usageToday = (key: string) => keys.usage(key, dayOf(Date.now()));
  return {
    /** Counts a request of the key. If called in the same turn as `Jobs.get`, it costs no round trip of its own. */
    count: (key: string) => orUnavailable(() => count(key)),
    /** Counts bytes that the key sends today. Returns false, and counts nothing, if the sum would exceed `most`. */
    chargeUpload: (key: string, bytes: number, most: number) =>
      orUnavailable(async () => {
        const usage = usageToday(key);
        const total = await redis.hincrby(usage, UPLOAD_BYTES, bytes);
        await redis.pexpire(usage, LUA_CONSTANTS.USAGE_LIFE_MS);
        if (total > most) await redis.hincrby(usage, UPLOAD_BYTES, -bytes);
        return total <= most;
      }),
    /** What the key used on each of the last `days` days, today first. */
    usage: (key: string, days: number) => orUnavailable(() => readUsage(redis, keys, key, days)),
    /** The current values that the limits of the key are compared with: GPU time and bytes of today (UTC), and jobs. */
    quotaStatus: (key: string) =>
      orUnavailable(async () => {
        const [days, uploadBytes, waiting, jobsRunning] = await Promise.all([
          readUsage(redis, keys, key, USUAL_DAYS),
          redis.hget(usageToday(key), UPLOAD_BYTES),
          redis.hget(keys.callers, key),
          redis.scard(keys.takenOf(key)),
        ]);
        const [jobsWaiting, usualMs] = [Number(waiting ?? 0), usualMsOf(days)];
        const gpu = { spentMs: days[0]?.gpuMs ?? 0, expectedMs: (jobsWaiting + jobsRunning) * usualMs, usualMs };
        return { gpu, uploadBytes: Number(uploadBytes ?? 0), jobsWaiting, jobsRunning };
      }),
    /** Ids of the keys that ever created a job, in alphabetical order. */
    keys: () => orUnavailable(async () => (await redis.hkeys(keys.callers)).sort()),
    /** Whether the key ever created a job. */
    isKnown: (key: string) => orUnavailable(async () => (await redis.hexists(keys.callers, key)) === 1),
  };
}

/** GPU time of a job of the key, including that of jobs that failed. What jobs of other keys take plays no part. */
function usualMsOf(days: readonly DayUsage[]): number {
  const sum = (field: 'gpuMs' | 'succeeded') => days.reduce((total, day) => total + day[field], 0);
  return sum('succeeded') === 0 ? LUA_CONSTANTS.UNKNOWN_MS : sum('gpuMs') / sum('succeeded');
}

/** What a key used on one day. */
export interface DayUsage {
  /** `2026-11-25`, UTC. */
  readonly day: string;
  /** Jobs accepted that day. The other counts are jobs that ended that day. */
  readonly jobs: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly canceled: number;
  readonly expired: number;
  readonly pictures: number;
  readonly gpuMs: number;
}

async function readUsage(redis: Redis, keys: Keys, caller: string, days: number): Promise<DayUsage[]> {
  const today = dayOf(Date.now());
  const counters = Array.from({ length: days }, (_, ago) => redis.hmget(keys.usage(caller, today - ago), ...COUNTERS));
  return (await Promise.all(counters)).map((counts, ago) => {
    const [jobs, succeeded, failed, canceled, expired, pictures, gpuMs] = counts.map(Number);
    const day = new Date((today - ago) * DAY_MS).toISOString().slice(0, 10);
    return { day, jobs, succeeded, failed, canceled, expired, pictures, gpuMs } as DayUsage;
  });
}
