import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** The lowest UUIDv7 of a millisecond since 1970. The first 48 bits of an id are its time (RFC 9562, 5.7). */
export function firstIdAt(ms: number): string {
  const time = Math.min(Math.max(0, Math.floor(ms)), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

/**
 * The members of the list of a key's jobs are `all|<id>|<parent>|<workflow>`, `workflow|<workflow>|<id>` and
 * `parent|<parent>|<id>`. Those that begin with the same prefix are in the order of the ids behind it.
 */
export const ALL_JOBS = 'all|';

/** Which jobs of the list: those made from a job, those of a workflow, or all. */
export function prefixOf({
  parent,
  workflow,
}: {
  readonly parent?: string | undefined;
  readonly workflow?: string | undefined;
}) {
  if (parent !== undefined) return `parent|${parent}|`;
  return workflow === undefined ? ALL_JOBS : `workflow|${workflow}|`;
}

/** The lexical bound above all members with this prefix. */
export function above(prefix: string): string {
  return `(${prefix}~`;
}

const ID_CHARS = 36;

export function idOfMember(member: string, prefix = ALL_JOBS): string {
  return member.slice(prefix.length, prefix.length + ID_CHARS);
}

/** Ids per page: those read in one round trip. */
const PAGE = 1000;

/**
 * All members of a sorted set from one rank to another, read page by page. Members that leave it meanwhile shift the
 * others, so a few may be missed: before acting on the absence of an id, check it.
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

/** Splits ids or other items into pages, for one round trip or one script call each. */
export function* inPages<T>(all: readonly T[], size = PAGE): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size);
}

/** The first of each list, then the second of each, and so on. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, n) => lists.flatMap((list) => list.slice(n, n + 1))).flat();
}

/** Maximum number of bytes of jobs, with their graphs and origins, that are read at a time. */
export const PAGE_BYTES = 1024 * 1024;
/** Maximum number of jobs in one page. */
const JOBS_A_PAGE = 200;
/** Assumed for a job whose record is gone. */
const UNKNOWN_BYTES = 16 * 1024;

export interface IdPage {
  readonly ids: readonly string[];
  /** About how many bytes these jobs hold. */
  readonly bytes: number;
}

/** Splits job ids of a key into pages that can be read at once. A large job gets a page of its own. */
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
