import type { WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** How long a worker that went silent keeps its place in the list of names. */
const NAMES_LIFE_MS = 60_000;

/**
 * Says that the worker lives and what it does. It is forgotten after `lifeMs` unless said again; `now` is Redis' time.
 */
export async function announceWorker(
  redis: Redis,
  keys: Keys,
  announcement: WorkerAnnouncement,
  { lifeMs, now }: { lifeMs: number; now: number },
): Promise<void> {
  await redis
    .pipeline()
    .set(keys.worker(announcement.name), JSON.stringify(announcement), 'PX', lifeMs)
    .zadd(keys.workers, now, announcement.name)
    .zremrangebyscore(keys.workers, 0, now - NAMES_LIFE_MS)
    .exec();
}

/** Takes a worker that stops out of the list. */
export async function withdrawWorker(redis: Redis, keys: Keys, name: string): Promise<void> {
  await redis.pipeline().del(keys.worker(name)).zrem(keys.workers, name).exec();
}

/** The workers that announced themselves lately, by name. */
export async function readWorkers(redis: Redis, keys: Keys): Promise<WorkerAnnouncement[]> {
  const names = (await redis.zrange(keys.workers, '0', '-1')).sort();
  if (names.length === 0) return [];
  const texts = await redis.mget(names.map((name) => keys.worker(name)));
  return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as WorkerAnnouncement);
}

/** The ports of all live workers and their instances. */
export async function readPorts(redis: Redis, keys: Keys): Promise<readonly number[]> {
  return (await readWorkers(redis, keys)).flatMap(({ ports }) => ports);
}
