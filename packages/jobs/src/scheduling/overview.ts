import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { PoolReading } from './read-shares.js';
import type { WaitingKey } from './read-waiting.js';

/** Jobs of one workflow that wait for the same model files. */
export interface WaitingModels {
  readonly workflow: string;
  readonly models: readonly string[];
  readonly jobs: number;
  /** When the oldest of them was created, in ms since 1970; undefined if none was read. */
  readonly oldestAt: number | undefined;
}

/** Stored for an affinity key; if it is missing, it is unknown what its jobs wait for. */
type AffinityModels = Pick<WaitingModels, 'workflow' | 'models'>;

/** How many affinity keys are read, those with most waiting jobs; of one API key the next ones. */
const MOST_AFFINITIES = 500;

/** An affinity key and how many jobs wait with it. */
type Count = readonly [affinity: string, jobs: number];

/** Model file → how many jobs of the key wait for it that no worker has claimed yet; without a key, of all keys. */
export async function countWaitingByModel(redis: Redis, keys: Keys, key?: string): Promise<Map<string, number>> {
  const byModel = new Map<string, number>();
  for (const pool of await redis.smembers(keys.pools)) {
    const counts = await (key === undefined ? readCounts(redis, keys, pool) : readCountsOf(redis, keys, pool, key));
    for (const { models, jobs } of await withModels(redis, keys, pool, counts))
      for (const model of new Set(models)) byModel.set(model, (byModel.get(model) ?? 0) + jobs);
  }
  return byModel;
}

/** The models for which a pool's jobs wait that no worker has claimed yet, most jobs first. */
export async function readWaitingModels(
  redis: Redis,
  keys: Keys,
  { pool, waitingKeys }: Pick<PoolReading, 'pool' | 'waitingKeys'>,
): Promise<WaitingModels[]> {
  const waiting = await withModels(redis, keys, pool, await readCounts(redis, keys, pool));
  const oldest = oldestOfAffinities(waitingKeys);
  return joinByModels(waiting.map((entry) => ({ ...entry, oldestAt: oldest.get(entry.affinity) })));
}

async function readCounts(redis: Redis, keys: Keys, pool: string): Promise<Count[]> {
  return Object.entries(await redis.hgetall(keys.affinities(pool)))
    .map(([affinity, jobs]) => [affinity, Number(jobs)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_AFFINITIES);
}

async function readCountsOf(redis: Redis, keys: Keys, pool: string, key: string): Promise<Count[]> {
  const queues = await redis.zrange(keys.affinityQueues(pool, key), 0, `${MOST_AFFINITIES - 1}`);
  const jobs = await Promise.all(queues.map((queue) => redis.zcard(keys.affinityQueue(pool, queue))));
  return queues.map((queue, n) => [queue.split('|')[1] ?? '', jobs[n] ?? 0]);
}

async function withModels(redis: Redis, keys: Keys, pool: string, counts: readonly Count[]) {
  if (counts.length === 0) return [];
  const known = await redis.hmget(keys.affinityModels(pool), ...counts.map(([affinity]) => affinity));
  return counts.flatMap(([affinity, jobs], n) => {
    const text = known[n];
    return text ? [{ ...(JSON.parse(text) as AffinityModels), affinity, jobs }] : [];
  });
}

/** Affinity key → when its oldest waiting job was created. */
function oldestOfAffinities(waiting: readonly WaitingKey[]): ReadonlyMap<string, number> {
  const heads = waiting.flatMap((key) => key.heads).toSorted((a, b) => b.since - a.since);
  // The oldest come last, so they overwrite younger ones.
  return new Map(heads.map(({ affinity, since }) => [affinity, since]));
}

/**
 * Joins entries with the same workflow and models, which differ only in choices such as the sampler. Drops jobs without
 * models.
 */
function joinByModels(waiting: readonly WaitingModels[]): WaitingModels[] {
  const byModels = new Map<string, WaitingModels>();
  for (const { workflow, models, jobs, oldestAt } of waiting) {
    if (models.length === 0) continue;
    const same = JSON.stringify([workflow, [...models].sort()]);
    const other = byModels.get(same);
    const known = [oldestAt, other?.oldestAt].filter((at) => at !== undefined);
    const oldest = known.length === 0 ? undefined : Math.min(...known);
    byModels.set(same, { workflow, models, jobs: jobs + (other?.jobs ?? 0), oldestAt: oldest });
  }
  return [...byModels.values()].sort((a, b) => b.jobs - a.jobs);
}
