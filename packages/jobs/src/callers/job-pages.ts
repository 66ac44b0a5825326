import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Most bytes that are read at a time of a key's jobs, with their graphs and origins. */
export const PAGE_BYTES = 1024 * 1024;
/** Most jobs read in one round trip. */
const PAGE = 200;
/** Of a job whose record is gone by now. */
const UNKNOWN_BYTES = 16 * 1024;

export interface IdPage {
  readonly ids: readonly string[];
  /** About as many bytes as these jobs hold. */
  readonly bytes: number;
}

/** Ids of jobs of the key, in pages for one read each: a large job has a page of its own. */
export async function* jobPages(
  redis: Redis,
  keys: Keys,
  key: string,
  ids: readonly string[],
): AsyncGenerator<IdPage, undefined> {
  for (let start = 0; start < ids.length; start += PAGE) {
    const some = ids.slice(start, start + PAGE);
    const held = await redis.hmget(keys.jobBytes(key), ...some);
    let page: string[] = [];
    let bytes = 0;
    for (const [index, id] of some.entries()) {
      const own = Number.parseInt(held[index] ?? `${UNKNOWN_BYTES}`, 10);
      if (page.length > 0 && bytes + own > PAGE_BYTES) {
        yield { ids: page, bytes };
        [page, bytes] = [[], 0];
      }
      page.push(id);
      bytes += own;
    }
    yield { ids: page, bytes };
  }
}
