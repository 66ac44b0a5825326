import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { isReference, MOST_REFERENCE_CHARS, ownerOfPayload } from '../record/payloads.js';

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
