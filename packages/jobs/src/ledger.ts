import {
  FleetError,
  type InstanceAbilities,
  isTerminal,
  type JobKind,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { createAbilityReader } from './abilities.js';
import { orUnavailable, producerConnection, runScript } from './connection.js';
import type { JobStreamItem } from './events.js';
import { jobStream } from './job-stream.js';
import { createKeys } from './keys.js';
import { type FleetOverview, readOverview } from './overview.js';
import { rankStep } from './rank-step.js';
import type { JobSnapshot } from './record.js';
import { signatureOf } from './signature.js';
import { parseSnapshot } from './snapshots.js';
import { createSubscriptions } from './subscriptions.js';
import { createWorkQueues } from './work-queues.js';

export interface NewJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly request: ResolvedRequest;
  /** The LOD profile's step in the order of service. */
  readonly rankStep: number;
  readonly pool: string;
  /** The caller's name: each has flows of its own in the order of service. */
  readonly key: string;
  /** Still queued after this many ms, the job expires. */
  readonly startWithinMs: number;
  /** What the outbox hands to the dispatcher when the job ends. */
  readonly callback?: string;
}

/**
 * The ledger as the side that answers callers sees it. Every method fails with `queue_unavailable` while Redis is away.
 */
export interface Ledger {
  /** Makes the job durable and queues it. Throws `queue_full`. */
  create(job: NewJob): Promise<JobSnapshot>;
  get(id: string): Promise<JobSnapshot | undefined>;
  /** Cancels the job if it has not ended; a running one is `canceling` until its worker has stopped it. */
  cancel(id: string): Promise<JobSnapshot | undefined>;
  /** The job when it has ended, or as it is after `timeoutMs`. */
  wait(id: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<JobSnapshot | undefined>;
  /** See jobStream. */
  events(id: string, options: { after?: string; signal: AbortSignal }): AsyncIterable<JobStreamItem>;
  overview(): Promise<FleetOverview>;
  /** What the instances of a pool that were seen within a day can do, as it was at most two seconds ago. */
  abilities(pool: string): Promise<readonly InstanceAbilities[]>;
  /** Round-trip time in ms, of the slower of the connections that ask and listen. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly url: string;
  readonly prefix: string;
  /** Longest wait for one answer of Redis, in ms. */
  readonly timeoutMs: number;
  readonly maxOpenJobs: number;
  readonly jobTtlSeconds: number;
  readonly log: Logger;
}

export function createLedger(options: LedgerOptions): Ledger {
  const { log } = options;
  const keys = createKeys(options.prefix);
  const redis = producerConnection(options.url, options.timeoutMs, log);
  const subscriptions = createSubscriptions(producerConnection(options.url, options.timeoutMs, log), log);
  const queues = createWorkQueues(redis, keys, log);
  const common = (id: string) => [keys.prefix, id, options.jobTtlSeconds * 1000];
  const read = async (id: string) => parseSnapshot(await runScript(redis, 'snapshot', keys.job(id), common(id)));
  const readAbilities = createAbilityReader(redis, keys);
  const sources = { redis, keys, subscriptions, read };

  const ledger: Ledger = {
    create: (job) =>
      orUnavailable(async () => {
        const args = createArguments(job, options.maxOpenJobs);
        const reply = await runScript(redis, 'create', keys.job(job.id), [...common(job.id), ...args]);
        const [verdict, written] = reply as ['ok', unknown] | ['full'];
        if (verdict === 'full') throw queueFull(options.maxOpenJobs);
        const snapshot = parseSnapshot(written);
        if (snapshot === undefined) throw new Error('the record was not there after its creation');
        try {
          await queues.add(job.pool, job.id, snapshot.record.rank);
          const written = (await read(job.id)) ?? snapshot;
          if (written.record.rank === snapshot.record.rank) return written;
          // The ranks were rebased in between: with the old one it would wait behind everybody.
          await queues.remove(job.pool, job.id);
          await queues.add(job.pool, job.id, written.record.rank);
          return (await read(job.id)) ?? written;
        } catch (error) {
          // The job is durable already, and the sweep adds what has no work item: refusing now would make the caller
          // send it a second time.
          log.warn('job accepted without its work item; the sweep will add it', { job: job.id, error });
          return snapshot;
        }
      }),
    get: (id) => orUnavailable(() => read(id)),
    cancel: (id) =>
      orUnavailable(async () => {
        const snapshot = parseSnapshot(await runScript(redis, 'cancel', keys.job(id), common(id)));
        if (snapshot?.record.status === 'canceled') {
          // Only tidiness: an item whose job has ended is dropped by whoever claims it.
          await queues
            .remove(snapshot.record.pool, id)
            .catch((error: unknown) =>
              log.debug('the work item of a canceled job was not removed', { job: id, error }),
            );
        }
        return snapshot;
      }),
    wait: async (id, { timeoutMs, signal }) => {
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        for await (const item of ledger.events(id, { signal: AbortSignal.any([signal, timeout]) })) {
          if (item.kind === 'snapshot' && isTerminal(item.snapshot.record.status)) return item.snapshot;
        }
      } catch (error) {
        if (!timeout.aborted) throw error;
      }
      return ledger.get(id);
    },
    events: (id, eventOptions) => guarded(jobStream(sources, id, eventOptions), eventOptions.signal),
    abilities: (pool) => orUnavailable(() => readAbilities(pool)),
    overview: () => orUnavailable(() => readOverview(redis, keys)),
    ping: () =>
      orUnavailable(async () => {
        const start = performance.now();
        await Promise.all([redis.ping(), subscriptions.ping()]);
        return performance.now() - start;
      }),
    close: async () => {
      subscriptions.close();
      await queues.close().catch((error: unknown) => log.debug('closing the queues failed', { error }));
      redis.disconnect();
    },
  };
  return ledger;
}

function createArguments(job: NewJob, maxOpenJobs: number): (string | number)[] {
  const { lod, priority } = job.request;
  const flow = `${job.key}|${lod}|${priority}`;
  const step = rankStep(job.rankStep, priority);
  const fields = ['kind', job.kind, 'key', job.key, 'request', JSON.stringify(job.request)];
  if (job.callback !== undefined) fields.push('callback', job.callback);
  return [job.pool, flow, step, maxOpenJobs, job.startWithinMs, signatureOf(job.request), ...fields];
}

function queueFull(maxOpenJobs: number): FleetError {
  const detail = `There are already ${maxOpenJobs} jobs waiting or running. Try again when some have ended.`;
  return new FleetError('queue_full', detail, { retryAfterSeconds: 5 });
}

async function* guarded<T>(items: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
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
