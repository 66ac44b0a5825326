import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { lodOf } from '../record/request-keys.js';

/**
 * How many jobs of a pool wait for a worker, by signature. Jobs that are held back because their key is at its limit are
 * counted as `parked` instead: more instances would not start them sooner.
 */
export async function readBacklog(redis: Redis, keys: Keys, pool: string) {
  const [all, heldBack] = await Promise.all([
    redis.hgetall(keys.backlog(pool)),
    redis.smembers(keys.keysAtLimit(pool)),
  ]);
  const backlog = new Map(Object.entries(all).map(([signature, count]) => [signature, Number(count)]));
  const parked = new Map<string, number>();
  const pipeline = redis.pipeline();
  for (const key of heldBack) pipeline.hgetall(keys.waitingLike(pool, key));
  for (const [, waiting] of (await pipeline.exec()) ?? []) {
    for (const [signature, count] of Object.entries((waiting ?? {}) as Record<string, string>)) {
      backlog.set(signature, Math.max(0, (backlog.get(signature) ?? 0) - Number(count)));
      parked.set(signature, (parked.get(signature) ?? 0) + Number(count));
    }
  }
  return { backlog, parked };
}

/** Learned durations of executions in a pool: ms by signature, by version, by lod, and by `key <API key>`. */
export async function readDurations(redis: Redis, keys: Keys, pool: string): Promise<ReadonlyMap<string, number>> {
  const learned = await redis.hgetall(keys.durations(pool));
  return new Map(Object.entries(learned).map(([kind, ms]) => [kind, Number(ms)]));
}

/** The expected ms of an execution: as learned for its signature, else for its workflow, else for its lod. */
export function expectedMs(signature: string, durations: ReadonlyMap<string, number>): number | undefined {
  const version = `=${signature.slice(signature.lastIndexOf('|') + 1)}`;
  return durations.get(signature) ?? durations.get(version) ?? durations.get(lodOf(signature));
}
