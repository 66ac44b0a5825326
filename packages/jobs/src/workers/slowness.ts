import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { median } from './learned-times.js';

/** How long an instance lately took for jobs with one signature. */
export interface Pace {
  readonly instance: string;
  readonly signature: string;
  readonly ms: number;
  /** The number of executions it was learned from. */
  readonly count: number;
  /** When the last of them ended, in ms since 1970. */
  readonly at: number;
}

/** Fewer executions say too little: the first one includes loading the model. */
const TELLING_COUNT = 5;
/** Older values say nothing about the current state of the instance. */
const FRESH_MS = 3_600_000;
/** Below this time, differences come from the network and bookkeeping. */
const SHORTEST_MS = 20;

async function readPaces(redis: Redis, keys: Keys, pool: string): Promise<Pace[]> {
  return Object.entries(await redis.hgetall(keys.paces(pool))).map(([field, text]) => {
    const split = field.indexOf('|');
    const [ms, count, at] = text.split(' ').map(Number);
    return {
      instance: field.slice(0, split),
      signature: field.slice(split + 1),
      ms: ms ?? 0,
      count: count ?? 0,
      at: at ?? 0,
    };
  });
}

/** How many times as long as its peers each instance takes, over all pools, for instances that can be compared. */
export async function readSlowness(
  redis: Redis,
  keys: Keys,
  pools: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const [now, ...paces] = await Promise.all([redisTime(redis), ...pools.map((pool) => readPaces(redis, keys, pool))]);
  return compareInstances(paces.flat(), now);
}

/**
 * How many times as long as its peers each instance takes for similar work: for each signature that it shares with
 * others, the ratio of its time to the median of theirs; then the median of these ratios. Instances that cannot be
 * compared are left out.
 */
export function compareInstances(paces: readonly Pace[], now: number): ReadonlyMap<string, number> {
  const telling = paces.filter(({ count, at }) => count >= TELLING_COUNT && at > now - FRESH_MS);
  const ratios = new Map<string, number[]>();
  for (const { instance, signature, ms } of telling) {
    const others = telling.filter((other) => other.signature === signature && other.instance !== instance);
    if (others.length === 0) continue;
    const usual = Math.max(SHORTEST_MS, median(others.map((other) => other.ms)));
    ratios.set(instance, [...(ratios.get(instance) ?? []), Math.max(SHORTEST_MS, ms) / usual]);
  }
  return new Map([...ratios].map(([instance, all]) => [instance, median(all)]));
}
