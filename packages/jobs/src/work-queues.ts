import type { Logger } from '@comfy-fleet/telemetry';
import { type BulkJobOptions, Queue } from 'bullmq';
import DataLoader from 'dataloader';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.js';

/** Work items added by one call. */
const MOST_AT_ONCE = 200;

export interface QueuedJob {
  readonly id: string;
  readonly pool: string;
  readonly rank: number;
}

/** The pools' BullMQ queues, seen from the side that adds. A work item carries nothing but the job's id. */
export interface WorkQueues {
  /** Adds the jobs' work items, those of one pool in one round trip; leaves alone what is there already. */
  add(jobs: readonly QueuedJob[]): Promise<void>;
  /** BullMQ's own queue of a pool, to be looked at. */
  of(pool: string): Queue;
  /** Takes the work item away if nobody has it. */
  remove(pool: string, id: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * `rankOf` tells a job's rank as it is now: with it, what is added while the ranks are rebased gets its new one. Else the
 * caller has read the ranks just before.
 */
export function createWorkQueues(
  redis: Redis,
  keys: Keys,
  log: Logger,
  rankOf?: (id: string) => Promise<number | undefined>,
): WorkQueues {
  const queues = new Map<string, Queue>();
  const queueOf = (pool: string): Queue => {
    const known = queues.get(pool);
    if (known !== undefined) return known;
    const queue = new Queue(keys.queueName(pool), {
      connection: redis,
      prefix: keys.prefix,
      // An INFO that fails while the connection drops would make this queue object useless for good.
      skipVersionCheck: true,
      // Nobody reads BullMQ's own event stream.
      streams: { events: { maxLen: 1 } },
    });
    queue.on('error', (error) => log.debug('queue error', { pool, error }));
    queues.set(pool, queue);
    return queue;
  };
  const addNow = async (pool: string, jobs: readonly QueuedJob[]): Promise<void> => {
    await queueOf(pool).addBulk(jobs.map(workItem));
    const [first] = jobs;
    const rank = first && (await rankOf?.(first.id));
    if (rank === undefined || rank === first?.rank) return;
    // The ranks were rebased in between, all by the same: with the old ones they would wait behind everybody.
    const now = await Promise.all(jobs.map(async (job) => ({ ...job, rank: (await rankOf?.(job.id)) ?? job.rank })));
    await Promise.all(now.map(({ id }) => queueOf(pool).remove(id)));
    await queueOf(pool).addBulk(now.map(workItem));
  };
  // What is added in one turn of the event loop travels together.
  const adding = new DataLoader<QueuedJob, undefined>(
    async (jobs) => {
      const byPool = new Map<string, QueuedJob[]>();
      for (const job of jobs) {
        const group = byPool.get(job.pool);
        if (group === undefined) byPool.set(job.pool, [job]);
        else group.push(job);
      }
      const faults = new Map<string, Error>();
      const add = async ([pool, group]: [string, QueuedJob[]]) => {
        await addNow(pool, group).catch((error: unknown) => faults.set(pool, asError(error)));
      };
      await Promise.all([...byPool].map(add));
      return jobs.map(({ pool }) => faults.get(pool));
    },
    { cache: false, maxBatchSize: MOST_AT_ONCE, batchScheduleFn: setImmediate },
  );
  return {
    add: async (jobs) => {
      await Promise.all(jobs.map((job) => adding.load(job)));
    },
    of: queueOf,
    remove: async (pool, id) => {
      await queueOf(pool).remove(id);
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function workItem({ id, rank }: QueuedJob): { name: string; data: object; opts: BulkJobOptions } {
  // A finished item must go, or its id could never be added again.
  return { name: 'job', data: {}, opts: { jobId: id, priority: rank, removeOnComplete: true, removeOnFail: true } };
}
