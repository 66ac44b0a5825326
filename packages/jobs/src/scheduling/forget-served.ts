import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Forgets what an instance served, since it has nothing to do or is gone; see lua/scheduling/virtual-time.lua. */
export function forgetServed(redis: Redis, keys: Keys, pool: string, instance: string): Promise<unknown> {
  return Promise.all([redis.zrem(keys.presents(pool), instance), redis.del(keys.lifts(pool, instance))]);
}
