import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

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
const COUNTERS = ['jobs', 'succeeded', 'failed', 'canceled', 'expired', 'pictures', 'gpu_ms'] as const;

/** The day (UTC) of a moment in ms, counted from 1970-01-01. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** The last `days` days, today first. */
export async function readUsage(
  redis: Redis,
  keys: Keys,
  caller: string,
  { days, now }: { readonly days: number; readonly now: number },
): Promise<DayUsage[]> {
  const today = dayOf(now);
  const dates = Array.from({ length: days }, (_, ago) => today - ago);
  const batch = redis.pipeline();
  for (const day of dates) batch.hmget(keys.usage(caller, day), ...COUNTERS);
  const replies = (await batch.exec()) ?? [];
  return dates.map((day, index) => {
    const counts = (replies[index]?.[1] ?? []) as (string | null)[];
    const [jobs, succeeded, failed, canceled, expired, pictures, gpuMs] = COUNTERS.map((_, n) =>
      Number(counts[n] ?? 0),
    );
    const date = new Date(day * DAY_MS).toISOString().slice(0, 10);
    return { day: date, jobs, succeeded, failed, canceled, expired, pictures, gpuMs } as DayUsage;
  });
}
