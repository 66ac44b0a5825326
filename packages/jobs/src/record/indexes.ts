import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** The lowest UUIDv7 of a millisecond since 1970: its first 48 bits are the time (RFC 9562, 5.7). */
export function firstIdAt(ms: number): string {
  const time = Math.min(Math.max(0, Math.floor(ms)), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

/** Between the name of a workflow, which has no such character, and the id of a job of it. */
const SEPARATOR = '|';
/** The character after it. */
const AFTER = '}';

/** What members of jobsByWorkflow begin with that are of the workflow. */
export function workflowPrefix(workflow: string): string {
  return `${workflow}${SEPARATOR}`;
}

/** What is above all of these, and below those of the workflow after it. */
export function afterWorkflowPrefix(workflow: string): string {
  return `${workflow}${AFTER}`;
}

export function workflowOfMember(member: string): string {
  return member.slice(0, member.lastIndexOf(SEPARATOR));
}

/** The id of a job in any index of jobs. */
export function idOfMember(member: string): string {
  return member.slice(member.lastIndexOf(SEPARATOR) + 1);
}

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

/** Most bytes that are read at a time of a key's jobs, with their graphs and origins. */
export const PAGE_BYTES = 1024 * 1024;
/** Most jobs read in one round trip. */
const JOBS_A_PAGE = 200;
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
  for (let start = 0; start < ids.length; start += JOBS_A_PAGE) {
    const some = ids.slice(start, start + JOBS_A_PAGE);
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
