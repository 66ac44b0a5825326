import type { Redis } from 'ioredis';

/** ms since 1970 by Redis' clock, which dates everything that hosts compare with each other. */
export async function redisTime(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}
