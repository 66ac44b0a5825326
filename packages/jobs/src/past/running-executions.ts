import type { Lod } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { Execution } from './execution.js';

export interface RunningExecution extends Execution {
  readonly instance: string;
}

/** Jobs of a pool that are executing: some thousand GPUs. */
const MOST_RUNNING = 2000;

/** What goes on, up to now; also what has been executed and is being stored, since nobody noted when that ended. */
export async function readRunning(redis: Redis, keys: Keys, now: number): Promise<RunningExecution[]> {
  const pools = await redis.smembers(keys.pools);
  return (await Promise.all(pools.map((pool) => readPool(redis, keys, pool, now)))).flat();
}

async function readPool(redis: Redis, keys: Keys, pool: string, now: number): Promise<RunningExecution[]> {
  const ids = await redis.srandmember(keys.running(pool), MOST_RUNNING);
  const records = await Promise.all(
    ids.map((id) => redis.hmget(keys.job(id), 'instance', 'started_at', 'signature', 'key', 'need')),
  );
  const needs = [...new Set(records.flatMap(([, , , , need]) => need ?? []))];
  const workflows = await workflowsOf(redis, keys.needModels(pool), needs);
  return ids.flatMap((job, index) => {
    const [instance, startedAt, signature, key, need] = records[index] ?? [];
    if (!instance || !startedAt || !signature || !key) return [];
    const lod = signature.slice(0, signature.indexOf('|')) as Lod;
    const workflow = workflows.get(need ?? '') ?? null;
    const from = Math.min(now, Number(startedAt));
    return [{ instance, from, till: now, job, workflow, lod, key, outcome: 'running', loadingMs: 0 }];
  });
}

/** Need → the workflow of the jobs that have it. */
async function workflowsOf(redis: Redis, needModels: string, needs: readonly string[]): Promise<Map<string, string>> {
  if (needs.length === 0) return new Map();
  const known = await redis.hmget(needModels, ...needs);
  return new Map(
    needs.flatMap((need, index) => {
      const text = known[index];
      return text ? [[need, (JSON.parse(text) as { readonly workflow: string }).workflow] as const] : [];
    }),
  );
}
