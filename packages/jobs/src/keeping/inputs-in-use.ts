import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { digestsOf } from '../record/digests-of.js';
import { readRequest } from '../record/stored-request.js';

/** Jobs looked at in one round trip. */
const PAGE = 500;

/** The digest of every file that a job starts from which was open when this began and still is. */
export async function inputsInUse(redis: Redis, keys: Keys): Promise<Set<string>> {
  const inUse = new Set<string>();
  for (const pool of await redis.smembers(keys.pools)) {
    // A scan, unlike pages by place, misses nobody because others leave.
    let cursor = '0';
    do {
      const [next, members] = await redis.zscan(keys.open(pool), cursor, 'COUNT', PAGE);
      const ids = members.filter((_, index) => index % 2 === 0);
      for (const digest of await inputsOf(redis, keys, ids)) inUse.add(digest);
      cursor = next;
    } while (cursor !== '0');
  }
  return inUse;
}

async function inputsOf(redis: Redis, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const [files, kinds] = await Promise.all([fieldOf(redis, keys, ids, 'files'), fieldOf(redis, keys, ids, 'kind')]);
  // A job of an earlier version has them in its request only.
  const earlier = ids.filter((_, index) => files[index] === null && kinds[index] === 'img2img');
  const requests = await fieldOf(redis, keys, earlier, 'request');
  return [
    ...files.flatMap((text) => (text === null ? [] : text.split(' '))),
    ...requests.flatMap((text) => (text === null ? [] : digestsOf(readRequest(text)))),
  ];
}

async function fieldOf(redis: Redis, keys: Keys, ids: readonly string[], field: string): Promise<(string | null)[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hget(keys.job(id), field);
  return ((await pipeline.exec()) ?? []).map(([error, value]) => {
    // A record that could not be read is not one without a file.
    if (error) throw error;
    return value as string | null;
  });
}
