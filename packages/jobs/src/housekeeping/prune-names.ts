import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { idsOf, inPages } from '../record/id-pages.js';

/** Names looked at by one script. */
const PAGE = 500;

/** Forgets the names of every API key whose assets are gone; answers how many. */
export async function pruneNames(redis: Redis, keys: Keys): Promise<number> {
  let pruned = 0;
  for (const caller of await redis.smembers(keys.callers)) {
    for (const names of inPages(await idsOf(redis, keys.namesByTime(caller), 0), PAGE)) {
      const named = { key: caller, verb: 'prune', names };
      pruned += (await runScript(redis, 'assetNames', keys.assetNames(caller), keys.prefix, named)) as number;
    }
  }
  return pruned;
}
