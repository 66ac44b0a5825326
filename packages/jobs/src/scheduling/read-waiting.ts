import { LODS, type Lod } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** An API key whose jobs wait in a pool. */
export interface WaitingKey {
  readonly key: string;
  /** It has as many jobs in work as it may, or its files fill its share of the storage. */
  readonly heldBack: boolean;
  readonly jobs: number;
  /** The oldest job of each of its affinity queues. */
  readonly heads: readonly WaitingHead[];
}

interface WaitingHead {
  readonly affinity: string;
  readonly lod: Lod;
  /** When it was created, in ms since 1970. */
  readonly since: number;
  readonly weight: number;
}

/** How many keys of a pool are read: those that were served least, and as many of those that are held back. */
const MOST_KEYS = 1000;
/** Affinity queues that are read: of one key the next ones, and of all keys. */
const MOST_QUEUES = 64;
const MOST_HEADS = 4000;

/** The keys whose jobs wait in the pool. Takes four round trips, no matter how many jobs wait. */
export async function readWaiting(redis: Redis, keys: Keys, pool: string): Promise<WaitingKey[]> {
  const [served, held] = await Promise.all([
    redis.zrange(keys.keysToServe(pool), '0', `${MOST_KEYS - 1}`),
    redis.srandmember(keys.keysAtLimit(pool), MOST_KEYS),
  ]);
  const names = [...served, ...held];
  const [counts, queues] = await Promise.all([
    Promise.all(names.map((key) => redis.hmget(keys.schedule(pool), `arrived ${key}`, `removed ${key}`))),
    Promise.all(names.map((key) => redis.zrange(keys.affinityQueues(pool, key), '0', `${MOST_QUEUES - 1}`))),
  ]);
  const heads = await readHeads(redis, keys, pool, queues.flat().slice(0, MOST_HEADS));
  return names.map((key, n) => ({
    key,
    heldBack: n >= served.length,
    jobs: Number(counts[n]?.[0] ?? 0) - Number(counts[n]?.[1] ?? 0),
    heads: (queues[n] ?? []).flatMap((queue) => heads.get(queue) ?? []),
  }));
}

/** The first job of each affinity queue, by the name of the queue. */
async function readHeads(redis: Redis, keys: Keys, pool: string, queues: readonly string[]) {
  const firsts = await Promise.all(queues.map((queue) => redis.zrange(keys.affinityQueue(pool, queue), '0', '0')));
  const records = await Promise.all(firsts.map(([id = '']) => redis.hmget(keys.job(id), 'created_at', 'weight')));
  const heads = new Map<string, WaitingHead>();
  for (const [n, queue] of queues.entries()) {
    const [since, weight] = records[n] ?? [];
    const [level, affinity = ''] = queue.split('|');
    const lod = LODS[Number(level) % LODS.length] as Lod;
    if (since) heads.set(queue, { affinity, lod, since: Number(since), weight: Number(weight ?? 1) });
  }
  return heads;
}
