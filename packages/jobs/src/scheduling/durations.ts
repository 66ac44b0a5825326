import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { lodOf } from '../record/request-keys.js';

/** How many jobs of a pool wait for a worker, by signature. */
export async function readBacklog(redis: Redis, keys: Keys, pool: string): Promise<ReadonlyMap<string, number>> {
  return numbersOf(await redis.hgetall(keys.backlog(pool)));
}

/** Learned durations of executions in a pool: ms by signature, by version, by lod, and by `key <API key>`. */
export async function readDurations(redis: Redis, keys: Keys, pool: string): Promise<ReadonlyMap<string, number>> {
  return numbersOf(await redis.hgetall(keys.durations(pool)));
}

function numbersOf(fields: Readonly<Record<string, string>>): Map<string, number> {
  return new Map(Object.entries(fields).map(([name, value]) => [name, Number(value)]));
}

/** The expected ms of an execution: as learned for its signature, else for its workflow, else for its lod. */
export function expectedMs(signature: string, durations: ReadonlyMap<string, number>): number | undefined {
  const version = `=${signature.slice(signature.lastIndexOf('|') + 1)}`;
  return durations.get(signature) ?? durations.get(version) ?? durations.get(lodOf(signature));
}
