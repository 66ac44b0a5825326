import type { RedisSettings } from '@comfy-fleet/config';
import { FleetError, type InstanceAbilities, isTerminal, type WebhookDelivery } from '@comfy-fleet/contracts';
import { createReplication, createSubscriptions } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Queue } from 'bullmq';
import { producerConnection, runScript } from '../connection.js';
import { createKeys } from '../keys.js';
import { createWorkQueues } from '../queue/work-queues.js';
import type { JobStreamItem } from '../record/events.js';
import type { JobRecord, JobSnapshot } from '../record/record.js';
import { parseSnapshot } from '../record/snapshots.js';
import { orUnavailable } from '../unavailable.js';
import { createDeliveryQueue } from '../webhooks/delivery-queue.js';
import { createJobLife } from '../webhooks/job-life.js';
import { readDelivery, redeliver } from '../webhooks/read-delivery.js';
import { createAbilityReader } from '../workers/abilities.js';
import { type Halts, type HaltTarget, halt, readHalts, resume } from '../workers/halts.js';
import { createBatchedCreates, type Written } from './batched-creates.js';
import { createBatchedReads, type RequestCount } from './batched-reads.js';
import { type JobFilter, type JobPage, listJobs } from './job-list.js';
import { jobStream } from './job-stream.js';
import type { NewOrder } from './new-order.js';
import { type FleetOverview, readOverview } from './overview.js';
import { createUrlSigner, type UrlSigner } from './url-signer.js';
import { type DayUsage, readUsage } from './usage.js';

/** The jobs of an order as they were accepted. */
export interface Accepted {
  /** Made before under the same Idempotency-Key; nothing was made now. */
  readonly replayed: boolean;
  readonly ids: readonly string[];
  /** The only job of the order; undefined when there are several. */
  readonly only: JobSnapshot | undefined;
}

/**
 * The ledger as the side that answers callers sees it. Every method fails with `queue_unavailable` while Redis is away.
 */
export interface Ledger {
  /**
   * Makes all jobs of the order durable and queues them, or none. Throws `queue_full` and `idempotency_key_reused`, and
   * `job_not_found` when the jobs made under the order's Idempotency-Key were deleted since. After `queue_unavailable` it
   * may have been made all the same.
   */
  create(order: NewOrder): Promise<Accepted>;
  /** What was made before under this Idempotency-Key, if anything was. Throws as `create` does. */
  replay(caller: string, idempotency: NewOrder['idempotency'] & object): Promise<Accepted | undefined>;
  get(id: string): Promise<JobSnapshot | undefined>;
  /** Cancels the job if it has not ended; a running one is `canceling` until its worker has stopped it. */
  cancel(id: string): Promise<JobSnapshot | undefined>;
  /** The job when it has ended, or as it is after `timeoutMs`. */
  wait(id: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<JobSnapshot | undefined>;
  /** See jobStream. */
  events(id: string, options: { after?: string; signal: AbortSignal }): AsyncIterable<JobStreamItem>;
  /** The caller's jobs, newest first; see listJobs. */
  list(caller: string, options: { filter: JobFilter; cursor: string | undefined; limit: number }): Promise<JobPage>;
  /** Takes away an ended job: its record, its events, its deliveries. False when it has not ended; nothing changed then. */
  forget(id: string): Promise<boolean>;
  /** Counts one request of the caller; asked together with `get` it costs no round trip of its own. */
  count(caller: string): Promise<RequestCount>;
  /** Books bytes that the caller sends today. False when that would be more than `most`; then nothing is booked. */
  charge(caller: string, bytes: number, most: number): Promise<boolean>;
  /** How the delivery of the job's webhook stands. Throws `webhook_not_found`. */
  delivery(record: JobRecord): Promise<WebhookDelivery>;
  /** Has the webhook of an ended job delivered again. Throws as `redeliver` in read-delivery.ts does. */
  redeliver(record: JobRecord): Promise<void>;
  /** What the caller used in the last `days` days, today first. */
  usage(caller: string, days: number): Promise<readonly DayUsage[]>;
  readonly urls: UrlSigner;
  /** BullMQ's queues, of every pool that was ever used and of webhooks: to be looked at, and nothing else. */
  queues(): Promise<readonly Queue[]>;
  overview(): Promise<FleetOverview>;
  /** What operators have halted, as it is now. */
  halts(): Promise<Halts>;
  /** Halts it by the word of the caller; what is halted already stays as it was. */
  halt(target: HaltTarget, caller: string): Promise<void>;
  /** Has it go on; nothing changes when it was not halted. */
  resume(target: HaltTarget): Promise<void>;
  /** What the instances of a pool that were seen within a day can do, as it was at most two seconds ago. */
  abilities(pool: string): Promise<readonly InstanceAbilities[]>;
  /** Whether as many replicas as are wanted follow the primary: what is written now, they have in time. True when none are. */
  replicated(): Promise<boolean>;
  /** Round-trip time in ms, of the slower of the connections that ask and listen. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly redis: RedisSettings;
  readonly maxOpenJobs: number;
  readonly jobTtlSeconds: number;
  readonly idempotencyTtlSeconds: number;
  /** How long a signed URL is good, at least. */
  readonly signedUrlSeconds: number;
  readonly log: Logger;
}

export function createLedger(options: LedgerOptions): Ledger {
  const { log } = options;
  const keys = createKeys(options.redis.prefix);
  const redis = producerConnection(options.redis, log);
  const subscriptions = createSubscriptions(producerConnection(options.redis, log), keys.pools, log);
  // What waits for replicas must not hold up the rest.
  const writing = options.redis.wait === undefined ? redis : producerConnection(options.redis, log);
  const replication = createReplication(writing, keys.replicated, options.redis.wait, log);
  const webhooks = createDeliveryQueue(redis, keys, log);
  const life = createJobLife(redis, keys, options.jobTtlSeconds);
  const common = (id: string) => [keys.prefix, id, options.jobTtlSeconds * 1000];
  const { job: read, count } = createBatchedReads(redis, keys);
  const queues = createWorkQueues(redis, keys, log);
  const write = createBatchedCreates(writing, keys, options);
  const readAbilities = createAbilityReader(redis, keys);
  const sources = { redis, keys, subscriptions, read };

  const ledger: Ledger = {
    create: (order) =>
      orUnavailable(async () => {
        requireRoomForAll(order, options.maxOpenJobs);
        const isReplicated = replication.begin();
        const written = await write(order);
        if (!('ids' in written)) throw refusal(written.verdict, order, options.maxOpenJobs);
        return acknowledge(written, isReplicated);
      }, MAY_BE_MADE),
    replay: (caller, idempotency) =>
      orUnavailable(async () => {
        const order = { caller, idempotency, jobs: [] };
        const isReplicated = replication.begin();
        const written = await write(order);
        if ('ids' in written) return acknowledge(written, isReplicated);
        if (written.verdict === 'new') return undefined;
        throw refusal(written.verdict, order, options.maxOpenJobs);
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
    list: (caller, page) => orUnavailable(() => listJobs({ redis, keys, read }, caller, page)),
    forget: (id) => orUnavailable(async () => (await runScript(redis, 'forget', keys.job(id), common(id))) !== 'open'),
    count: (caller) => orUnavailable(() => count(caller)),
    charge: (caller, bytes, most) =>
      orUnavailable(async () => {
        const reply = await runScript(redis, 'charge', keys.callers, [keys.prefix, caller, bytes, most]);
        return reply === 1;
      }),
    delivery: (record) => orUnavailable(() => readDelivery(redis, keys, webhooks, record)),
    redeliver: (record) => orUnavailable(() => redeliver(webhooks, life, record)),
    usage: (caller, days) => orUnavailable(() => readUsage(redis, keys, caller, { days, now: Date.now() })),
    urls: createUrlSigner(redis, keys, { ttlSeconds: options.signedUrlSeconds }),
    queues: () =>
      orUnavailable(async () => {
        const pools = await redis.smembers(keys.pools);
        return [...pools.sort().map((pool) => queues.of(pool)), webhooks.queue];
      }),
    overview: () => orUnavailable(() => readOverview(redis, keys)),
    halts: () => orUnavailable(() => readHalts(redis, keys)),
    halt: (target, caller) => orUnavailable(() => halt(redis, keys, target, caller)),
    resume: (target) => orUnavailable(() => resume(redis, keys, target)),
    replicated: () => orUnavailable(replication.begin()),
    ping: () =>
      orUnavailable(async () => {
        const start = performance.now();
        // A ping there would wait for replicas, too.
        if (writing.status !== 'ready') throw new Error('the connection that writes is not ready');
        await Promise.all([redis.ping(), subscriptions.ping()]);
        return performance.now() - start;
      }),
    close: async () => {
      subscriptions.close();
      await Promise.all([queues.close(), webhooks.close()]).catch((error: unknown) =>
        log.debug('closing the queues failed', { error }),
      );
      writing.disconnect();
      redis.disconnect();
    },
  };
  return ledger;
}

const ALL_THE_SAME =
  'What was asked for may be made all the same: send it again under the same Idempotency-Key, or look for it in GET /jobs.';
const MAY_BE_MADE = `The job queue did not answer in time. ${ALL_THE_SAME}`;
const LACKS_COPIES = `The job queue lacks the copies that it is to have, and nothing is promised without. ${ALL_THE_SAME}`;

/** Of a job that only the primary has nobody is told that it is accepted. */
async function acknowledge(
  { verdict, ids, only }: Extract<Written, { ids: unknown }>,
  isReplicated: () => Promise<boolean>,
): Promise<Accepted> {
  if (await isReplicated()) return { replayed: verdict === 'replayed', ids, only };
  throw new FleetError('queue_unavailable', LACKS_COPIES, { retryAfterSeconds: 1 });
}

/** Throws validation_failed for an order that would be too large for an empty queue. */
function requireRoomForAll({ jobs, mostWaiting = Number.POSITIVE_INFINITY }: NewOrder, maxOpenJobs: number): void {
  const most = Math.min(mostWaiting, maxOpenJobs);
  if (jobs.length <= most) return;
  const detail = `must be at most ${most} jobs: more may not wait at a time`;
  throw new FleetError('validation_failed', `/jobs ${detail}.`, { errors: [{ pointer: '/jobs', detail }] });
}

function refusal(
  verdict: Exclude<Written['verdict'], 'made' | 'again' | 'replayed'>,
  { mostWaiting, jobs }: NewOrder,
  maxOpenJobs: number,
): Error {
  switch (verdict) {
    case 'reused':
      return new FleetError(
        'idempotency_key_reused',
        'This Idempotency-Key came with another request before. Send a key of its own with each new request.',
      );
    case 'gone':
      return new FleetError('job_not_found', 'The job that was made under this Idempotency-Key has been deleted.');
    case 'waiting':
      return queueFull(`This key may have ${mostWaiting} jobs waiting, and ${jobs.length} more would be too many.`);
    case 'full':
      return queueFull(
        `There may be ${maxOpenJobs} jobs waiting or running, and ${jobs.length} more would be too many.`,
      );
    case 'limited':
      return new FleetError('rate_limited', 'This API key has sent too many requests this minute.');
    case 'new':
      return new Error('an order without jobs was to be made');
  }
}

function queueFull(why: string): FleetError {
  return new FleetError('queue_full', `${why} Try again when some have ended.`, { retryAfterSeconds: 5 });
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
