import DataLoader from 'dataloader';
import type { Redis } from 'ioredis';
import { runScript } from './connection.js';
import type { Keys } from './keys.js';
import type { JobSnapshot } from './record.js';
import { parseSnapshot } from './snapshots.js';

/** Questions put into one script call, so that a burst of callers cannot hold up Redis for long. */
const MOST_AT_ONCE = 200;

/** How many requests of a caller this minute has seen, and when it is over. */
export interface RequestCount {
  readonly requests: number;
  readonly resetMs: number;
}

export interface BatchedReads {
  job(id: string): Promise<JobSnapshot | undefined>;
  /** The job's rank, for less than the whole job costs. */
  rank(id: string): Promise<number | undefined>;
  count(caller: string): Promise<RequestCount>;
}

type Question = readonly [kind: 'job' | 'rank' | 'count', subject: string];

/**
 * Reads jobs and counts requests; what is asked in one turn of the event loop travels in one round trip. A round trip
 * costs this process far more than the reading costs Redis.
 */
export function createBatchedReads(redis: Redis, keys: Keys): BatchedReads {
  const ask = async (questions: readonly Question[]): Promise<unknown[]> => {
    const args = [keys.prefix, '', 0, ...questions.flat()];
    return (await runScript(redis, 'read', keys.callers, args)) as unknown[];
  };
  const loader = new DataLoader<Question, unknown>(ask, {
    cache: false,
    maxBatchSize: MOST_AT_ONCE,
    // After the poll phase, in which the requests of all connections have been read.
    batchScheduleFn: setImmediate,
  });
  return {
    job: async (id) => parseSnapshot(await loader.load(['job', id])),
    rank: async (id) => {
      const rank = (await loader.load(['rank', id])) as number;
      return rank < 0 ? undefined : rank;
    },
    count: async (caller) => {
      const [requests, resetMs] = (await loader.load(['count', caller])) as [number, number];
      return { requests, resetMs: Math.max(0, resetMs) };
    },
  };
}
