import type { Redis } from 'ioredis';

/** ms since 1970 by Redis' clock, which dates everything that hosts compare with each other. */
export async function redisTime(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

/** Redis' time without a round trip. Hosts compare times by it because their own clocks differ. */
export interface RedisClock {
  /** ms since 1970; by this host's own clock until `set` was called. */
  now(): number;
  /** Converts a time of this host's own clock. */
  at(hostMs: number): number;
  /** Reads the time from Redis. */
  set(): Promise<void>;
}

/** `hostNow`: this host's own clock. */
export function createRedisClock(redis: Redis, hostNow: () => number): RedisClock {
  let offsetMs = 0;
  const at = (hostMs: number) => hostMs + offsetMs;
  return {
    now: () => at(hostNow()),
    at,
    set: async () => {
      offsetMs = (await redisTime(redis)) - hostNow();
    },
  };
}
