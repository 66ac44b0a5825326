import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Jobs read in one round trip. */
const PAGE = 500;

/** Ids of all jobs that were open when this began and still are, in pages. */
async function* openIds(redis: Redis, keys: Keys): AsyncGenerator<readonly string[]> {
  for (const pool of await redis.smembers(keys.pools)) {
    // A scan misses no job when other jobs leave the set meanwhile. Pages by rank would.
    let cursor = '0';
    do {
      const [next, members] = await redis.zscan(keys.open(pool), cursor, 'COUNT', PAGE);
      yield members.filter((_, index) => index % 2 === 0);
      cursor = next;
    } while (cursor !== '0');
  }
}

/** A field of the records of these jobs. */
async function fieldOf(redis: Redis, keys: Keys, ids: readonly string[], field: string): Promise<(string | null)[]> {
  return Promise.all(ids.map((id) => redis.hget(keys.job(id), field)));
}

/** Cancels the open jobs of an API key and returns their ids. */
export async function cancelOpen(
  redis: Redis,
  keys: Keys,
  { key, cancel }: { readonly key: string; readonly cancel: (id: string) => Promise<unknown> },
): Promise<readonly string[]> {
  const canceled = new Set<string>();
  for await (const ids of openIds(redis, keys)) {
    const owners = await fieldOf(redis, keys, ids, 'key');
    for (const id of ids.filter((_, index) => owners[index] === key)) {
      await cancel(id);
      canceled.add(id);
    }
  }
  return [...canceled];
}

/** Digests of the input files of all jobs that were open when this began and still are. */
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
