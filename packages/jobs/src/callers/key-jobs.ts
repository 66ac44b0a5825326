import type { JobStatus } from '@comfy-fleet/contracts';
import { Feed, type Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { idsOf, inPages, jobPages } from '../record/indexes.js';
import { type JobRecord, recordOf } from '../record/record.js';

/** A job of a key was created or changed its status. */
export interface KeyChange {
  readonly id: string;
  readonly status: JobStatus;
  /** What its client called itself. */
  readonly client: string | null;
}

/** Jobs that are read or hidden in one round trip. */
const PAGE = 200;
/**
 * Maximum number of changes that wait for a slow reader. Beyond that, changes are dropped and the reader is told that
 * it missed some.
 */
const MOST_WAITING = 1000;

const { ENDED_AFTER } = LUA_CONSTANTS;

/**
 * The jobs of a key that have an origin: open ones, then ended ones, in one list in which a job moves at its end. Every
 * method fails with `queue_unavailable` while Redis is away.
 */
export function createKeyJobs(redis: Redis, keys: Keys, subscriptions: Subscriptions) {
  const records = async function* (key: string, ids: readonly string[]): AsyncGenerator<readonly JobRecord[]> {
    const pages = jobPages(redis, keys, key, ids);
    for (;;) {
      const { done, value } = await orUnavailable(() => pages.next());
      if (done === true) return;
      const found = await orUnavailable(() => Promise.all(value.ids.map((id) => redis.hgetall(keys.job(id)))));
      yield found.flatMap((fields) => recordOf(fields) ?? []);
    }
  };
  const countOpen = (key: string) => redis.zcount(keys.listedOf(key), 0, ENDED_AFTER);
  const openIds = async (key: string) => idsOf(redis, keys.listedOf(key), 0, await countOpen(key));
  const readStates = async (ids: readonly string[]): Promise<KeyChange[]> => {
    const records = await Promise.all(ids.map((id) => redis.hmget(keys.job(id), 'status', 'client')));
    return records.flatMap(([status, client = null], n) => {
      return status ? [{ id: ids[n] as string, status: status as JobStatus, client }] : [];
    });
  };
  const removeEnded = async (index: string, ids: readonly string[]) => {
    const scores = await redis.zmscore(index, ...ids);
    const ended = ids.filter((_, n) => Number(scores[n] ?? 0) > ENDED_AFTER);
    if (ended.length > 0) await redis.zrem(index, ...ended);
  };
  return {
    /** Open jobs, oldest first, in pages of bounded size. */
    open: async function* (key: string) {
      yield* records(key, await orUnavailable(() => openIds(key)));
    },
    /** The records that still exist, in the same order, in pages of bounded size with their graphs and origins. */
    records,
    /** The current status of each open job, oldest job first. */
    openStates: (key: string) =>
      orUnavailable(async () => {
        const states: KeyChange[] = [];
        for (const ids of inPages(await openIds(key), PAGE)) states.push(...(await readStates(ids)));
        return states;
      }),
    openCount: (key: string) => orUnavailable(() => countOpen(key)),
    /** Ids of ended jobs, the last to end first. Records of some may be gone. `total`: how many there are. */
    ended: (key: string, { limit, offset }: { readonly limit: number; readonly offset: number }) =>
      orUnavailable(async () => {
        const index = keys.listedOf(key);
        const [ids, total] = await Promise.all([
          redis.zrevrangebyscore(index, '+inf', ENDED_AFTER, 'LIMIT', offset, limit),
          redis.zcount(index, ENDED_AFTER, '+inf'),
        ]);
        return { ids, total };
      }),
    /** Removes ended jobs from the list. Other ids are ignored. */
    hide: (key: string, ids: readonly string[] | 'all') =>
      orUnavailable(async () => {
        const index = keys.listedOf(key);
        if (ids === 'all') await redis.zremrangebyscore(index, ENDED_AFTER, '+inf');
        else for (const page of inPages(ids, PAGE)) await removeEnded(index, page);
      }),
    /** Whether the job has ended and its key has hidden it. */
    isHidden: ({ id, key, hasOrigin }: Pick<JobRecord, 'id' | 'key' | 'hasOrigin'>) =>
      orUnavailable(async () => hasOrigin && (await redis.zscore(keys.listedOf(key), id)) === null),
    /**
     * Changes of all jobs of the key, including those without an origin. Yields undefined at first, and whenever changes
     * may have been missed: a reader that then reads the lists misses nothing. Throws the signal's reason if the signal
     * aborts.
     */
    changesOf: async function* (
      key: string,
      { signal }: { readonly signal: AbortSignal },
    ): AsyncIterable<KeyChange | undefined> {
      const feed = new Feed<string | undefined>();
      let hasMissed = false;
      const hear = (message: string | undefined) => {
        if (feed.length < MOST_WAITING) feed.push(message);
        else hasMissed = true;
      };
      const leave = await orUnavailable(() => subscriptions.listen(keys.keyChannel(key), hear));
      try {
        yield undefined;
        for (;;) {
          const message = await feed.next(signal);
          yield message === undefined ? undefined : parseChange(message);
          if (!hasMissed || feed.length > 0) continue;
          hasMissed = false;
          yield undefined;
        }
      } finally {
        leave();
      }
    },
  };
}

function parseChange(message: string): KeyChange {
  const [id = '', status] = message.split(' ', 2);
  const client = message.slice(id.length + (status?.length ?? 0) + 2);
  return { id, status: status as JobStatus, client: client === '' ? null : client };
}
