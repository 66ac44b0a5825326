import type { JobStatus } from '@comfy-fleet/contracts';
import { Feed, type Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { idsOf, inPages, jobPages } from '../record/indexes.js';
import { type JobRecord, recordOf } from '../record/record.js';

/** A job of a key is new, or has changed its status. */
export interface KeyChange {
  readonly id: string;
  readonly status: JobStatus;
  /** What its caller called itself. */
  readonly client: string | null;
}

/**
 * The jobs of a key that were ordered with an origin, as one list of open and one of ended ones: a job leaves the one
 * in the same moment in which it comes into the other. Every method fails with `queue_unavailable` while Redis is away.
 */
export interface KeyJobs {
  /** Open ones, oldest first, in pages of few bytes. */
  open(key: string): AsyncIterable<readonly JobRecord[]>;
  /** The ids in pages whose records, graphs and origins are few bytes together. */
  pages(key: string, ids: readonly string[]): AsyncIterable<readonly string[]>;
  /** The records that are still there, in this order. */
  records(ids: readonly string[]): Promise<readonly JobRecord[]>;
  /** What the last change of each said, oldest job first. */
  openStates(key: string): Promise<readonly KeyChange[]>;
  openCount(key: string): Promise<number>;
  /** Ids of ended ones, the last one first; records of some may be gone. `total`: how many there are. */
  ended(
    key: string,
    page: { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly ids: readonly string[]; readonly total: number }>;
  /** Takes ended ones off the list, and marks their records as hidden. Those that are not on it do not matter. */
  hide(key: string, ids: readonly string[] | 'all'): Promise<void>;
  /**
   * Changes of all jobs of the key, also of those without an origin. At first, and when some may have been missed,
   * undefined: who reads then has missed none. Throws the signal's reason when that aborts.
   */
  changesOf(key: string, options: { readonly signal: AbortSignal }): AsyncIterable<KeyChange | undefined>;
}

/** States read, and jobs hidden, in one round trip. */
const PAGE = 200;
/** Changes that wait for a slow reader; when there are more it has missed some. */
const MOST_WAITING = 1000;

export function createKeyJobs(redis: Redis, keys: Keys, subscriptions: Subscriptions): KeyJobs {
  const read = async (ids: readonly string[]): Promise<JobRecord[]> => {
    const records = await Promise.all(ids.map((id) => redis.hgetall(keys.job(id))));
    return records.flatMap((fields) => recordOf(fields) ?? []);
  };
  const readStates = async (ids: readonly string[]): Promise<KeyChange[]> => {
    const records = await Promise.all(ids.map((id) => redis.hmget(keys.job(id), 'status', 'client')));
    return records.flatMap(([status, client = null], n) => {
      return status ? [{ id: ids[n] as string, status: status as JobStatus, client }] : [];
    });
  };
  const pages = async function* (key: string, ids: readonly string[]) {
    const found = jobPages(redis, keys, key, ids);
    for (;;) {
      const { done, value } = await orUnavailable(() => found.next());
      if (done === true) return;
      yield value.ids;
    }
  };
  const records: KeyJobs['records'] = (ids) => orUnavailable(() => read(ids));
  return {
    open: async function* (key) {
      const ids = await orUnavailable(() => idsOf(redis, keys.openOf(key), 0));
      for await (const page of pages(key, ids)) yield await records(page);
    },
    pages,
    records,
    openStates: (key) =>
      orUnavailable(async () => {
        const states: KeyChange[] = [];
        for (const ids of inPages(await idsOf(redis, keys.openOf(key), 0), PAGE))
          states.push(...(await readStates(ids)));
        return states;
      }),
    openCount: (key) => orUnavailable(() => redis.zcard(keys.openOf(key))),
    ended: (key, { limit, offset }) =>
      orUnavailable(async () => {
        const index = keys.endedOf(key);
        const [ids, total] = await Promise.all([
          redis.zrevrange(index, offset, offset + limit - 1),
          redis.zcard(index),
        ]);
        return { ids, total };
      }),
    hide: (key, ids) =>
      orUnavailable(async () => {
        const index = keys.endedOf(key);
        const wanted = ids === 'all' ? await idsOf(redis, index, 0) : ids;
        for (const page of inPages(wanted, PAGE)) await runScript(redis, 'hide', index, keys.prefix, { ids: page });
      }),
    changesOf: async function* (key, { signal }) {
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
