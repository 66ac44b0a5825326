import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

/** What one caller used on one day. */
export interface DayUsage {
  /** `2026-11-25`, UTC. */
  readonly day: string;
  /** Accepted that day; the others ended that day. */
  readonly jobs: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly canceled: number;
  readonly expired: number;
  readonly pictures: number;
  readonly gpuMs: number;
}

const DAY_MS = 86_400_000;
const UPLOAD_BYTES = 'upload_bytes';
const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures', 'gpu_ms'] as const;

/** The day (UTC) of a moment in ms, counted from 1970-01-01. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** Books bytes that the caller sends today. False when that would be more than `most`; then nothing is booked. */
export async function bookUpload(
  redis: Redis,
  keys: Keys,
  caller: string,
  { bytes, most, now }: { readonly bytes: number; readonly most: number; readonly now: number },
): Promise<boolean> {
  const usage = keys.usage(caller, dayOf(now));
  const booked = await redis.hincrby(usage, UPLOAD_BYTES, bytes);
  await redis.pexpire(usage, LUA_CONSTANTS.USAGE_LIFE_MS);
  if (booked <= most) return true;
  await redis.hincrby(usage, UPLOAD_BYTES, -bytes);
  return false;
}

/** What the caller sent today (UTC). */
export async function readUploadBytes(redis: Redis, keys: Keys, caller: string, now: number): Promise<number> {
  return Number((await redis.hget(keys.usage(caller, dayOf(now)), UPLOAD_BYTES)) ?? 0);
}

/** The last `days` days, today first. */
export async function readUsage(
  redis: Redis,
  keys: Keys,
  caller: string,
  { days, now }: { readonly days: number; readonly now: number },
): Promise<DayUsage[]> {
  const today = dayOf(now);
  const counters = Array.from({ length: days }, (_, ago) => redis.hmget(keys.usage(caller, today - ago), ...COUNTERS));
  return (await Promise.all(counters)).map((counts, ago) => {
    const [jobs, succeeded, failed, canceled, expired, pictures, gpuMs] = counts.map(Number);
    const day = new Date((today - ago) * DAY_MS).toISOString().slice(0, 10);
    return { day, jobs, succeeded, failed, canceled, expired, pictures, gpuMs } as DayUsage;
  });
}
