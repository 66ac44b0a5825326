import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { isReference, MOST_REFERENCE_CHARS, ownerOfPayload } from '../record/payloads.js';
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

/** The files that nothing in Redis refers to. Files that are not named as ours are left out. */
export async function unusedPayloads(redis: Redis, keys: Keys, names: readonly string[]): Promise<string[]> {
  const unused = await Promise.all(
    names.map(async (name) => {
      const owner = ownerOfPayload(name);
      if (owner === undefined) return [];
      const key = 'version' in owner ? keys.version(owner.version) : keys.origin(owner.job);
      // A published workflow is in Redis itself, however large it is.
      return isReference(await redis.getrange(key, 0, MOST_REFERENCE_CHARS)) ? [] : [name];
    }),
  );
  return unused.flat();
}
