import { isTerminal, joinSignals } from '@comfy-fleet/contracts';
import type { Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { Payloads } from '../record/payloads.js';
import { type JobSnapshot, parseSnapshot } from '../record/record.js';
import { type BatchedReads, createBatchedReads } from './batched-reads.js';
import { type JobFilter, type JobPage, listJobs } from './job-list.js';
import { type JobStreamItem, jobStream } from './job-stream.js';

/** The jobs that exist. Every method fails with `queue_unavailable` while Redis is away. */
export interface Jobs {
  get(id: string): Promise<JobSnapshot | undefined>;
  /** The key's job with this alias or id. */
  byAlias(key: string, alias: string): Promise<JobSnapshot | undefined>;
  /** The origin of the job as JSON; undefined if it has none, or if the job is gone. Also throws `storage_failed`. */
  origin(id: string): Promise<string | undefined>;
  /** Cancels the job if it has not ended. A claimed job is `canceling` until its worker has stopped it. */
  cancel(id: string): Promise<JobSnapshot | undefined>;
  /** Returns the job when it has ended, or as it is after `timeoutMs`. */
  wait(id: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<JobSnapshot | undefined>;
  /** See jobStream. */
  events(id: string, options: { after?: string; signal: AbortSignal }): AsyncIterable<JobStreamItem>;
  /** The caller's jobs, newest first; see listJobs. */
  list(caller: string, options: { filter: JobFilter; cursor: string | undefined; limit: number }): Promise<JobPage>;
  /**
   * Deletes an ended job: its record, its events and its delivery. Returns false, and changes nothing, if it has not
   * ended.
   */
  forget(id: string): Promise<boolean>;
}

interface JobSources {
  readonly redis: Redis;
  /** The connection for lists. */
  readonly listing: Redis;
  readonly keys: Keys;
  readonly subscriptions: Subscriptions;
  readonly reads: Pick<BatchedReads, 'job' | 'aliased'>;
  readonly payloads: Pick<Payloads, 'read'>;
  readonly jobTtlSeconds: number;
}

export function createJobs({ redis, listing, keys, subscriptions, reads, payloads, jobTtlSeconds }: JobSources): Jobs {
  const { job: read, aliased } = reads;
  const { job: readListed } = createBatchedReads(listing, keys);
  const run = (name: 'cancel' | 'forget', id: string) =>
    runScript(redis, name, keys.job(id), keys.prefix, {
      id,
      ended_life: jobTtlSeconds * 1000,
    });
  const jobs: Jobs = {
    get: (id) => orUnavailable(() => read(id)),
    byAlias: (key, alias) => orUnavailable(() => aliased(key, alias)),
    origin: (id) => orUnavailable(async () => payloads.read(await redis.get(keys.origin(id)))),
    cancel: (id) => orUnavailable(async () => parseSnapshot(await run('cancel', id))),
    wait: async (id, { timeoutMs, signal }) => {
      const late = joinSignals([signal], { ms: timeoutMs });
      try {
        for await (const item of jobs.events(id, { signal: late.signal })) {
          if (item.kind === 'snapshot' && isTerminal(item.snapshot.record.status)) return item.snapshot;
        }
      } catch (error) {
        if (signal.aborted || !late.signal.aborted) throw error;
      } finally {
        late.end();
      }
      return jobs.get(id);
    },
    events: (id, options) =>
      withTypedErrors(jobStream({ redis, keys, subscriptions, read }, id, options), options.signal),
    list: (caller, page) => orUnavailable(() => listJobs({ redis: listing, keys, read: readListed }, caller, page)),
    forget: (id) => orUnavailable(async () => (await run('forget', id)) !== 'open'),
  };
  return jobs;
}

async function* withTypedErrors<T>(items: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    for (;;) {
      const { done, value } = await items.next();
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    await orUnavailable(() => Promise.reject(error));
  } finally {
    await items.return(undefined);
  }
}
