import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Longer than anybody leaves a GPU like that. */
const WEDGED_LIFE_MS = 30 * 86_400_000;

/** An instance that goes on executing what it was told to stop. */
export interface Wedge {
  readonly instance: string;
  readonly promptId: string;
  /** What it executes, a node's class or title; null when nobody saw it begin. */
  readonly node: string | null;
  /** ms since 1970 at which it was first interrupted in vain. */
  readonly since: number;
}

/** What a process of this worker's name has noted, by the names of the instances. */
export async function readWedges(redis: Redis, keys: Keys, worker: string): Promise<Wedge[]> {
  const noted = await redis.hgetall(keys.wedged(worker));
  return Object.entries(noted)
    .sort()
    .map(([instance, text]) => ({
      instance,
      ...(JSON.parse(text) as Omit<Wedge, 'instance'>),
    }));
}

export async function noteWedge(redis: Redis, keys: Keys, worker: string, wedge: Wedge): Promise<void> {
  const { instance, ...about } = wedge;
  await redis
    .pipeline()
    .hset(keys.wedged(worker), instance, JSON.stringify(about))
    .pexpire(keys.wedged(worker), WEDGED_LIFE_MS)
    .exec();
}

export async function forgetWedge(redis: Redis, keys: Keys, worker: string, instance: string): Promise<void> {
  await redis.hdel(keys.wedged(worker), instance);
}
