import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** What an instance took lately for jobs that take alike. */
export interface Pace {
  readonly instance: string;
  readonly signature: string;
  readonly ms: number;
  /** Executions it was learned from. */
  readonly count: number;
  /** ms since 1970 at which the last of them ended. */
  readonly at: number;
}

/** From so many executions on a pace tells something: the first has the model's loading in it. */
const TELLING_COUNT = 5;
/** What is older tells nothing of how the instance is now. */
const FRESH_MS = 3_600_000;
/** Below this it is the network and the bookkeeping that differ. */
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

/** How many times as long as its peers each instance takes, over all pools; of those that can be compared. */
export async function readSlowness(
  redis: Redis,
  keys: Keys,
  pools: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const [now, ...paces] = await Promise.all([redisTime(redis), ...pools.map((pool) => readPaces(redis, keys, pool))]);
  return compareInstances(paces.flat(), now);
}

/**
 * How many times as long as its peers each instance takes for like work: the median over what it did lately and others
 * did too, each against the median of the others. Instances that cannot be compared are not in it.
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

/** The lower of two in the middle, so that of two peers the quicker one is the measure. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 1;
}
