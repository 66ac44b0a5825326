import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { expectedMs, readDurations } from '../scheduling/durations.js';
import type { BatchedReads } from './batched-reads.js';

const DAY_MS = 86_400_000;
const UPLOAD_BYTES = 'upload_bytes';
const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures', 'gpu_ms'] as const;

/** The day (UTC) of a time in ms, counted from 1970-01-01. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** What keys use. Every method fails with `queue_unavailable` while Redis is away. */
export function createAccounts(redis: Redis, keys: Keys, count: BatchedReads['count']) {
  const usageToday = (key: string) => keys.usage(key, dayOf(Date.now()));
  const spent = async (key: string): Promise<GpuSpent> => {
    const [today] = await readUsage(redis, keys, key, 1);
    const pools = await redis.smembers(keys.pools);
    const waiting = await Promise.all(pools.map((pool) => readWaitingMs(redis, keys, pool, key)));
    return { spentMs: today?.gpuMs ?? 0, expectedMs: sumOf(waiting) };
  };
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
    gpuSpent: (key: string) => orUnavailable(() => spent(key)),
    /** What the key used on each of the last `days` days, today first. */
    usage: (key: string, days: number) => orUnavailable(() => readUsage(redis, keys, key, days)),
    /** The current values that the limits of the key are compared with: bytes sent today (UTC), and jobs. */
    quotaStatus: (key: string) =>
      orUnavailable(async () => {
        const [gpu, uploadBytes, waiting, jobsRunning] = await Promise.all([
          spent(key),
          redis.hget(usageToday(key), UPLOAD_BYTES),
          redis.hget(keys.callers, key),
          redis.scard(keys.takenOf(key)),
        ]);
        return { gpu, uploadBytes: Number(uploadBytes ?? 0), jobsWaiting: Number(waiting ?? 0), jobsRunning };
      }),
    /** Ids of the keys that ever created a job, in alphabetical order. */
    keys: () => orUnavailable(async () => (await redis.hkeys(keys.callers)).sort()),
    /** Whether the key ever created a job. */
    isKnown: (key: string) => orUnavailable(async () => (await redis.hexists(keys.callers, key)) === 1),
  };
}

/** Both count together against the daily limit, so that a key cannot exceed it by queueing everything at once. */
interface GpuSpent {
  /** How many ms GPUs worked today (UTC) for jobs of the key that have ended. */
  readonly spentMs: number;
  /** How many ms its waiting jobs are expected to take. Jobs without a learned duration do not count. */
  readonly expectedMs: number;
}

async function readWaitingMs(redis: Redis, keys: Keys, pool: string, key: string): Promise<number> {
  const [waiting, durations] = await Promise.all([
    redis.hgetall(keys.waitingLike(pool, key)),
    readDurations(redis, keys, pool),
  ]);
  return sumOf(
    Object.entries(waiting).map(([signature, jobs]) => Number(jobs) * (expectedMs(signature, durations) ?? 0)),
  );
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
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
