import { isTerminal, joinSignals } from '@comfy-fleet/contracts';
import type { Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { Payloads } from '../record/payloads.js';
import { parseSnapshot } from '../record/record.js';
import { readSource, type SourceOwner } from '../record/workflows.js';
import { webhookId } from '../webhooks/delivery-queue.js';
import { type BatchedReads, createBatchedReads } from './batched-reads.js';
import { type JobQuery, listJobs } from './job-list.js';
import { type JobStreamItem, type JobStreamOptions, jobStream } from './job-stream.js';

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

/** The jobs that exist. Every method fails with `queue_unavailable` while Redis is away. */
export function createJobs({ redis, listing, keys, subscriptions, reads, payloads, jobTtlSeconds }: JobSources) {
  const { job: read, aliased } = reads;
  const { job: readListed } = createBatchedReads(listing, keys);
  const run = (name: 'cancel' | 'forget', id: string, args: NamedArguments = {}) =>
    runScript(redis, name, keys.job(id), keys.prefix, { id, ended_life: jobTtlSeconds * 1000, ...args });
  const get = (id: string) => orUnavailable(() => read(id));
  const events = (id: string, options: JobStreamOptions): AsyncIterable<JobStreamItem> =>
    withTypedErrors(jobStream({ redis, keys, subscriptions, read }, id, options), options.signal);
  return {
    get,
    /** The key's job with this alias or id. */
    byAlias: (key: string, alias: string) => orUnavailable(() => aliased(key, alias)),
    /** The origin of the job as JSON; undefined if it has none, or if the job is gone. Also throws `storage_failed`. */
    origin: (id: string) => orUnavailable(async () => payloads.read(await redis.hget(keys.texts(id), 'origin'))),
    /** The source of what the job runs; undefined if it is gone. Also throws `storage_failed`. */
    source: (job: SourceOwner) => orUnavailable(() => readSource(redis, keys, payloads, job)),
    /** Cancels the job if it has not ended. A claimed job is `canceling` until its worker has stopped it. */
    cancel: (id: string) => orUnavailable(async () => parseSnapshot(await run('cancel', id))),
    /** Returns the job when it has ended, or as it is after `timeoutMs`. */
    wait: async (id: string, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }) => {
      const late = joinSignals([signal], { ms: timeoutMs });
      try {
        for await (const item of events(id, { signal: late.signal })) {
          if (item.kind === 'snapshot' && isTerminal(item.snapshot.record.status)) return item.snapshot;
        }
      } catch (error) {
        if (signal.aborted || !late.signal.aborted) throw error;
      } finally {
        late.end();
      }
      return get(id);
    },
    /** See jobStream. */
    events,
    /** The caller's jobs, newest first; see listJobs. */
    list: (caller: string, page: JobQuery) =>
      orUnavailable(() => listJobs({ redis: listing, keys, read: readListed }, caller, page)),
    /**
     * Deletes an ended job: its record, its events and its delivery. Returns false, and changes nothing, if it has not
     * ended.
     */
    forget: (id: string) => orUnavailable(async () => (await run('forget', id, { webhook: webhookId(id) })) !== 'open'),
  };
}

async function* withTypedErrors<T>(items: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    await orUnavailable(() => Promise.reject(error));
  }
}
