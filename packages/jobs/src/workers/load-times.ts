import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** How long model files take to load, learned by all workers: the disks and networks of a fleet are mostly alike. */
export interface SharedLoadTimes {
  /** By file, in ms. */
  read(): Promise<ReadonlyMap<string, number>>;
  /** It was seen to take so many ms. Answers what is expected from now on. */
  learn(file: string, ms: number): Promise<number>;
}

/** Weight of the newest load, as in lua/shared/learn.lua. */
const NEWEST = 0.3;
const MOST_FIELDS = 1000;
const LIFE_MS = 30 * 86_400_000;

/** Of two workers that learn of one file at once the later one counts; the next load tells again. */
export function createSharedLoadTimes(redis: Redis, keys: Keys): SharedLoadTimes {
  const key = keys.loadTimes;
  return {
    read: async () => {
      const all = await orUnavailable(() => redis.hgetall(key));
      return new Map(Object.entries(all).map(([file, ms]) => [file, Number(ms)]));
    },
    learn: (file, ms) =>
      orUnavailable(async () => {
        const [known, count] = await Promise.all([redis.hget(key, file), redis.hlen(key)]);
        if (known === null && count >= MOST_FIELDS) {
          const forgotten = await redis.hrandfield(key);
          if (typeof forgotten === 'string') await redis.hdel(key, forgotten);
        }
        const before = known === null ? ms : Number(known);
        const average = Math.round(before + NEWEST * (ms - before));
        await redis.pipeline().hset(key, file, average).pexpire(key, LIFE_MS).exec();
        return average;
      }),
  };
}
