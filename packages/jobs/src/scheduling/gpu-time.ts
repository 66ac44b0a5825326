import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';

const { SHORT_SPAN_MINUTES, LONG_SPAN_MINUTES } = LUA_CONSTANTS;
const MINUTE_MS = 60_000;

/** GPU time of a key in a pool, spread evenly from `from` to `till` (ms since 1970). */
export interface GpuTime {
  readonly pool: string;
  readonly key: string;
  readonly ms: number;
  readonly from: number;
  readonly till: number;
}

/** How much of it was used from `begin` on. */
export function msSince(begin: number, { ms, from, till }: GpuTime): number {
  if (till <= begin) return 0;
  return from >= begin ? ms : (ms * (till - begin)) / (till - from);
}

/** What executions that have ended used in the last minute, and in the last hour, and some of what was before. */
export async function readGpuTimes(redis: Redis, keys: Keys, now: number): Promise<[GpuTime[], GpuTime[]]> {
  return Promise.all([
    readSpans(redis, keys, { minutes: SHORT_SPAN_MINUTES, since: now - MINUTE_MS, now }),
    readSpans(redis, keys, { minutes: LONG_SPAN_MINUTES, since: now - LUA_CONSTANTS.HOUR_MS, now }),
  ]);
}

async function readSpans(
  redis: Redis,
  keys: Keys,
  { minutes, since, now }: { readonly minutes: number; readonly since: number; readonly now: number },
): Promise<GpuTime[]> {
  const length = minutes * MINUTE_MS;
  const first = Math.floor(since / length);
  const spans = Array.from({ length: Math.floor(now / length) - first + 1 }, (_, n) => first + n);
  const replies = await Promise.all(spans.map((span) => redis.hgetall(keys.gpuTime(minutes, span))));
  return spans.flatMap((span, index) => {
    const from = span * length;
    const till = Math.min(now, from + length);
    return Object.entries(replies[index] ?? {}).map(([field, ms]) => {
      const space = field.indexOf(' ');
      return { pool: field.slice(0, space), key: field.slice(space + 1), ms: Number(ms), from, till };
    });
  });
}
