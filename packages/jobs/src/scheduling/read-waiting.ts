import { LODS, type Lod } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { inTurn } from '../record/indexes.js';

/** An API key whose jobs wait in a pool. */
export interface WaitingKey {
  readonly key: string;
  /** It has as many jobs in work as it may, or its files fill its share of the storage. */
  readonly heldBack: boolean;
  readonly jobs: number;
  /** The first job of each of its affinity queues, in the order of the queues. */
  readonly heads: readonly WaitingHead[];
}

interface WaitingHead {
  readonly id: string;
  readonly affinity: string;
  readonly lod: Lod;
  readonly signature: string;
  /** How many jobs wait in its queue, with this one. */
  readonly jobs: number;
  /** When it was created, in ms since 1970. */
  readonly since: number;
  readonly weight: number;
}

/** How many keys to serve are read, and as many of those that are held back; and how many queues of all, each key's first. */
const MOST = { keys: 1000, heads: 4000 };
/** Affinity queues of one key that are read. */
const MOST_QUEUES = 64;

/**
 * The keys whose jobs wait in the pool: those to serve in their order, then those that are held back. Takes four round trips, no
 * matter how many jobs wait.
 */
export async function readWaiting(redis: Redis, keys: Keys, pool: string, most = MOST): Promise<WaitingKey[]> {
  const [served, held] = await Promise.all([
    redis.zrange(keys.keysToServe(pool), '0', `${most.keys - 1}`),
    redis.srandmember(keys.keysAtLimit(pool), most.keys),
  ]);
  const names = [...served, ...held.sort()];
  const [counts, queues] = await Promise.all([
    Promise.all(names.map((key) => redis.hmget(keys.schedule(pool), `arrived ${key}`, `removed ${key}`))),
    Promise.all(names.map((key) => redis.zrange(keys.affinityQueues(pool, key), '0', `${MOST_QUEUES - 1}`))),
  ]);
  const heads = await readHeads(redis, keys, pool, inTurn(queues).slice(0, most.heads));
  return names.map((key, n) => ({
    key,
    heldBack: n >= served.length,
    jobs: Number(counts[n]?.[0] ?? 0) - Number(counts[n]?.[1] ?? 0),
    heads: (queues[n] ?? []).flatMap((queue) => heads.get(queue) ?? []),
  }));
}

/** The first job of each affinity queue, by the name of the queue. */
async function readHeads(redis: Redis, keys: Keys, pool: string, queues: readonly string[]) {
  const [firsts, sizes] = await Promise.all([
    Promise.all(queues.map((queue) => redis.zrange(keys.affinityQueue(pool, queue), '0', '0'))),
    Promise.all(queues.map((queue) => redis.zcard(keys.affinityQueue(pool, queue)))),
  ]);
  const fields = ['created_at', 'signature', 'weight'] as const;
  const records = await Promise.all(firsts.map(([id = '']) => redis.hmget(keys.job(id), ...fields)));
  const heads = new Map<string, WaitingHead>();
  for (const [n, queue] of queues.entries()) {
    const [[id = ''] = [], [since, signature, weight] = []] = [firsts[n], records[n]];
    const [level, affinity = ''] = queue.split('|');
    const [lod, jobs] = [LODS[Number(level) % LODS.length] as Lod, sizes[n] ?? 0];
    if (!since || !signature) continue;
    heads.set(queue, { id, affinity, lod, signature, jobs, since: Number(since), weight: Number(weight ?? 1) });
  }
  return heads;
}
