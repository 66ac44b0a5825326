import type { Redis } from 'ioredis';

/** Ids read in one round trip. */
const PAGE = 1000;

/**
 * All members of a sorted set from one place to another, page by page. Who leaves it meanwhile moves others between the
 * pages, so a few may be missed: what follows from an id being absent here is to be looked up.
 */
export async function idsOf(redis: Redis, zset: string, from: number, to = Number.POSITIVE_INFINITY) {
  const ids: string[] = [];
  for (let start = from; start < to; start += PAGE) {
    const page = await redis.zrange(zset, `${start}`, `${Math.min(start + PAGE, to) - 1}`);
    for (const id of page) ids.push(id);
    if (page.length < PAGE) break;
  }
  return ids;
}

/** Ids, or what else is asked about, in pages for one round trip or one script each. */
export function* inPages<T>(all: readonly T[], size = PAGE): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size);
}
