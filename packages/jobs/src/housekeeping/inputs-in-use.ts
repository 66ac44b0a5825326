import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { fieldOf, openIds } from './open-jobs.js';

/** The digest of every file that a job starts from which was open when this began and still is. */
export async function inputsInUse(redis: Redis, keys: Keys): Promise<Set<string>> {
  const inUse = new Set<string>();
  for await (const ids of openIds(redis, keys)) {
    for (const digest of await inputsOf(redis, keys, ids)) inUse.add(digest);
  }
  return inUse;
}

async function inputsOf(redis: Redis, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const files = await fieldOf(redis, keys, ids, 'files');
  return files.flatMap((text) => (text === null ? [] : text.split(' ')));
}
