import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
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
  const named = { key: caller, last: today, days, counters: COUNTERS };
  const reply = await runScript(redis, 'usage', keys.usage(caller, today), keys.prefix, named);
  return (JSON.parse(String(reply)) as (string | false)[][]).map((counts, ago) => {
    const [jobs, succeeded, failed, canceled, expired, pictures, gpuMs] = counts.map(Number);
    const day = new Date((today - ago) * DAY_MS).toISOString().slice(0, 10);
    return { day, jobs, succeeded, failed, canceled, expired, pictures, gpuMs } as DayUsage;
  });
}
