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
    ids.map((id) => redis.hmget(keys.job(id), 'instance', 'started_at', 'signature', 'key', 'workflow')),
  );
  return ids.flatMap((job, index) => {
    const [instance, startedAt, signature, key, workflow] = records[index] ?? [];
    if (!instance || !startedAt || !signature || !key) return [];
    const lod = signature.slice(0, signature.indexOf('|')) as Lod;
    const from = Math.min(now, Number(startedAt));
    return [{ instance, from, till: now, job, workflow: workflow ?? null, lod, key, outcome: 'running', loadingMs: 0 }];
  });
}
