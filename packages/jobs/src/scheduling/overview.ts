import { LODS } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { readShares } from './read-shares.js';
import type { KeyShare } from './shares.js';

export interface SchedulingOverview {
  /** What each key that had anything in the last hour gets of the GPU time, in no order. */
  readonly shares: readonly KeyShare[];
  /** Pool → what its jobs wait for that no worker has taken yet, most jobs first. */
  readonly waitingModels: ReadonlyMap<string, readonly WaitingModels[]>;
  /** Redis' clock, in ms. */
  readonly now: number;
}

/** How the scheduling does, in four round trips however many jobs wait. */
export async function readScheduling(redis: Redis, keys: Keys): Promise<SchedulingOverview> {
  const [now, pools] = await Promise.all([redisTime(redis), redis.smembers(keys.pools)]);
  const [shares, models] = await Promise.all([
    readShares(redis, keys, { pools, now }),
    Promise.all(pools.map(async (pool) => [pool, await readWaitingModels(redis, keys, pool)] as const)),
  ]);
  return { shares, waitingModels: new Map(models), now };
}

/** Jobs of one workflow that wait for the same model files. */
export interface WaitingModels {
  readonly workflow: string;
  readonly models: readonly string[];
  readonly jobs: number;
  /** When the oldest of them was made, in ms; undefined: all are younger than the oldest of the pool that are looked at. */
  readonly oldestAt: number | undefined;
}

/** What is read of an affinity key: without it, it is not known what the jobs wait for. */
type AffinityModels = Pick<WaitingModels, 'workflow' | 'models'>;

/** Affinity keys with most jobs waiting that are looked at. */
const MOST_AFFINITIES = 500;
/** Of each level of detail, the oldest waiting jobs that are looked at for how long what waits for a model waits. */
const MOST_OLD = 50;

/** What a pool's jobs wait for that no worker has taken yet, most jobs first. In three round trips. */
async function readWaitingModels(redis: Redis, keys: Keys, pool: string): Promise<WaitingModels[]> {
  const counts = Object.entries(await redis.hgetall(keys.affinities(pool)))
    .map(([affinity, jobs]) => [affinity, Number(jobs)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_AFFINITIES);
  if (counts.length === 0) return [];
  const [models, oldest] = await Promise.all([
    redis.hmget(keys.affinityModels(pool), ...counts.map(([affinity]) => affinity)),
    oldestOfAffinities(redis, keys, pool),
  ]);
  return joined(
    counts.flatMap(([affinity, jobs], index) => {
      const known = models[index];
      return known ? [{ ...(JSON.parse(known) as AffinityModels), jobs, oldestAt: oldest.get(affinity) }] : [];
    }),
  );
}

/** Affinity key → when the oldest job that waits with it was made, among the oldest of the pool. */
async function oldestOfAffinities(redis: Redis, keys: Keys, pool: string): Promise<Map<string, number>> {
  const lanes = await Promise.all(
    LODS.map((lod) => redis.zrange(keys.lodBacklog(pool, lod), '0', `${MOST_OLD - 1}`, 'WITHSCORES')),
  );
  const jobs = lanes
    .flatMap((lane) => lane.flatMap((id, n) => (n % 2 === 0 ? [{ id, at: Number(lane[n + 1]) }] : [])))
    .sort((a, b) => b.at - a.at);
  const facts = await Promise.all(jobs.map(({ id }) => redis.hmget(keys.job(String(id)), 'affinity', 'phase')));
  // The oldest come last, and stay.
  return new Map(
    jobs.flatMap(({ at }, n) => {
      const [affinity, phase] = facts[n] ?? [];
      return affinity && phase === 'waiting' ? [[affinity, at]] : [];
    }),
  );
}

/** Those that differ in a sampler or scheduler only are one; jobs without a model wait for none. */
function joined(waiting: readonly WaitingModels[]): WaitingModels[] {
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
