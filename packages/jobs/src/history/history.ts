import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { endedBetween, type Sample } from './sample.js';

/** A sample, and what happened since the one before. */
export interface Step extends Omit<Sample, 'ended'> {
  readonly succeeded: number;
  readonly failed: number;
  readonly canceled: number;
}

const HOUR_MS = 3_600_000;

/** The newest first. */
export async function readSamples(redis: Redis, keys: Keys): Promise<Sample[]> {
  return (await redis.lrange(keys.history, 0, -1)).map((text) => JSON.parse(text) as Sample);
}

/** Keeps an hour of them, and the one before. */
export async function keepSample(redis: Redis, keys: Keys, sample: Sample, stepSeconds: number): Promise<void> {
  const most = Math.ceil(HOUR_MS / 1000 / stepSeconds) + 1;
  await redis
    .pipeline()
    .lpush(keys.history, JSON.stringify(sample))
    .ltrim(keys.history, 0, most - 1)
    .pexpire(keys.history, HOUR_MS)
    .exec();
}

/** How the fleet fared within so many minutes, the oldest first. */
export async function readHistory(redis: Redis, keys: Keys, minutes: number): Promise<Step[]> {
  const [now, samples] = await Promise.all([redisTime(redis), readSamples(redis, keys)]);
  return samples
    .map((sample, index) => stepOf(samples[index + 1] ?? sample, sample))
    .filter(({ at }) => at > now - minutes * 60_000)
    .reverse();
}

function stepOf(before: Sample, sample: Sample): Step {
  const { ended: _, ...rest } = sample;
  const count = (status: 'succeeded' | 'failed' | 'canceled') => endedBetween(before, sample, status);
  return { ...rest, succeeded: count('succeeded'), failed: count('failed'), canceled: count('canceled') };
}
