import type { JobKind, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Jobs looked at in one round trip. */
const PAGE = 500;

/** SHA-256 of every picture that a job starts from which was open when this began and still is. */
export async function inputsInUse(redis: Redis, keys: Keys): Promise<Set<string>> {
  const inUse = new Set<string>();
  for (const pool of await redis.smembers(keys.pools)) {
    // A scan, unlike pages by place, misses nobody because others leave.
    let cursor = '0';
    do {
      const [next, members] = await redis.zscan(keys.open(pool), cursor, 'COUNT', PAGE);
      const ids = members.filter((_, index) => index % 2 === 0);
      for (const sha256 of await inputsOf(redis, keys, ids)) inUse.add(sha256);
      cursor = next;
    } while (cursor !== '0');
  }
  return inUse;
}

async function inputsOf(redis: Redis, keys: Keys, ids: readonly string[]): Promise<string[]> {
  const kinds = await fieldOf(redis, keys, ids, 'kind');
  const starting = ids.filter((_, index) => kinds[index] === ('img2img' satisfies JobKind));
  const requests = await fieldOf(redis, keys, starting, 'request');
  return requests.flatMap((text) => {
    const input = text === null ? undefined : (JSON.parse(text) as ResolvedRequest).input;
    return input === undefined ? [] : [input.sha256];
  });
}

async function fieldOf(redis: Redis, keys: Keys, ids: readonly string[], field: string): Promise<(string | null)[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hget(keys.job(id), field);
  return ((await pipeline.exec()) ?? []).map(([error, value]) => {
    // A record that could not be read is not one without a picture.
    if (error) throw error;
    return value as string | null;
  });
}
