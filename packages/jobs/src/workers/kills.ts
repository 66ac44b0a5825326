import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * When instances died, or fell silent, while they executed own graphs of API keys, in the last hour: by key, the oldest
 * first, in ms since 1970.
 */
export async function readKills(redis: Redis, keys: Keys): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = await redis.zrange(keys.kills, '0', '-1', 'WITHSCORES');
  const kills = new Map<string, number[]>();
  for (let at = 0; at + 1 < found.length; at += 2) {
    const member = found[at] as string;
    const key = member.slice(member.indexOf(' ') + 1);
    kills.set(key, [...(kills.get(key) ?? []), Number(found[at + 1])]);
  }
  return kills;
}
