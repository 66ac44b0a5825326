import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Jobs of one workflow that wait for the same model files. */
export interface WaitingModels {
  readonly workflow: string;
  readonly models: readonly string[];
  readonly jobs: number;
}

/** What is read of a need: without it, it is not known what the jobs wait for. */
type NeedModels = Pick<WaitingModels, 'workflow' | 'models'>;

/** Needs with most jobs waiting that are looked at. */
const MOST_NEEDS = 500;

/** What a pool's jobs wait for that no worker has taken yet, most jobs first. In two round trips. */
export async function readWaitingModels(redis: Redis, keys: Keys, pool: string): Promise<WaitingModels[]> {
  const counts = Object.entries(await redis.hgetall(keys.needs(pool)))
    .map(([need, jobs]) => [need, Number(jobs)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_NEEDS);
  if (counts.length === 0) return [];
  const models = await redis.hmget(keys.needModels(pool), ...counts.map(([need]) => need));
  return joined(
    counts.flatMap(([, jobs], index) => {
      const known = models[index];
      return known ? [{ ...(JSON.parse(known) as NeedModels), jobs }] : [];
    }),
  );
}

/** Needs that differ in a sampler or scheduler only are one; jobs without a model wait for none. */
function joined(needs: readonly WaitingModels[]): WaitingModels[] {
  const byModels = new Map<string, WaitingModels>();
  for (const { workflow, models, jobs } of needs) {
    if (models.length === 0) continue;
    const same = JSON.stringify([workflow, [...models].sort()]);
    byModels.set(same, { workflow, models, jobs: jobs + (byModels.get(same)?.jobs ?? 0) });
  }
  return [...byModels.values()].sort((a, b) => b.jobs - a.jobs);
}
