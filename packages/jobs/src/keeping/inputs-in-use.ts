import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { digestsOf } from '../record/digests-of.js';
import { readRequest } from '../record/stored-request.js';
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
  const [files, kinds] = await Promise.all([fieldOf(redis, keys, ids, 'files'), fieldOf(redis, keys, ids, 'kind')]);
  // A job of an earlier version has them in its request only.
  const earlier = ids.filter((_, index) => files[index] === null && kinds[index] === 'img2img');
  const requests = await fieldOf(redis, keys, earlier, 'request');
  return [
    ...files.flatMap((text) => (text === null ? [] : text.split(' '))),
    ...requests.flatMap((text) => (text === null ? [] : digestsOf(readRequest(text)))),
  ];
}
