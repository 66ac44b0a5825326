import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { inPages } from '../record/id-pages.js';

/** How many bytes the waiting and ended jobs of a key hold. */
export interface KeyBytes {
  readonly key: string;
  readonly bytes: number;
}

/** Of every key that has any, the most first. */
export async function readKeyBytes(redis: Redis, keys: Keys): Promise<KeyBytes[]> {
  const found: KeyBytes[] = [];
  for (const callers of inPages(await redis.smembers(keys.callers))) {
    const totals = await Promise.all(callers.map((caller) => redis.hget(keys.jobBytes(caller), 'total')));
    for (const [n, key] of callers.entries()) found.push({ key, bytes: Number(totals[n] ?? 0) });
  }
  return found.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}
