import { isId, isTerminal, type WebhookAttempt } from '@comfy-fleet/contracts';
import { inTraceOf, type Logger } from '@comfy-fleet/telemetry';
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { NO_PLACE, recordOf } from '../record/record.js';
import type { DeliveryItem, DueDelivery, TryResult } from './delivery-queue.js';
import { type JobLife, parseAttempts } from './job-webhooks.js';
import { type SlotLimits, Slots } from './slots.js';

/**
 * Makes one attempt. Rejects if the signal aborts or something fails that is not the receiver's fault; that does not
 * count as an attempt.
 */
export type DeliveryHandler = (due: DueDelivery, signal: AbortSignal) => Promise<TryResult>;

export interface DeliveryWorkerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  /** How many deliveries may be in progress: in all, of one API key, and of one API key to one host. */
  readonly limits: SlotLimits;
  /**
   * How long a lock lasts. It is renewed at half of that; deliveries of a dead process are handed out again after it.
   */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly life: JobLife;
  /** Aborts when no more attempts may begin. */
  readonly stopping: AbortSignal;
  readonly handler: DeliveryHandler;
  readonly log: Logger;
}

/** Delay of a delivery that failed through no fault of its receiver. */
const FAULT_DELAY_MS = 30_000;
/** How many deliveries wait for a slot with their locks. */
const PLACES = 2000;
/**
 * The others wait in Redis for at least half as long as they are old, so that many for a receiver that never answers cost
 * little. They must not all return at once.
 */
const MIN_PARKED_MS = 30_000;
const MAX_PARKED_MS = 600_000;

/**
 * BullMQ's worker of the delivery queue. Its lock prevents two attempts at the same time: an attempt that loses its
 * lock is aborted.
 */
export function createDeliveryWorker(options: DeliveryWorkerOptions): Worker {
  const { redis, keys, limits, stopping, life, log } = options;
  const slots = new Slots(limits, PLACES);
  if (stopping.aborted) slots.close();
  stopping.addEventListener('abort', () => slots.close());
  const worker = new Worker<DeliveryItem>(
    keys.webhookQueue,
    // BullMQ passes the signal only to functions with a third parameter without a default.
    async (job, token, lockLost) => {
      const signal = lockLost ?? new AbortController().signal;
      const delayMs = await attempt(job, signal).catch((error: unknown) => {
        if (signal.aborted) log.warn('webhook attempt aborted: its lock was lost', { job: job.data.job });
        else log.error('webhook attempt failed for a reason of our own', { job: job.data.job, error });
        return FAULT_DELAY_MS;
      });
      if (delayMs === undefined) return;
      // If this fails, too, the lock expires and the delivery is handed out again.
      if (!signal.aborted) await job.moveToDelayed(Date.now() + delayMs, token).catch(() => undefined);
      throw new DelayedError();
    },
    {
      connection: redis,
      prefix: keys.prefix,
      autorun: false,
      concurrency: limits.concurrency + PLACES,
      lockDuration: options.lockMs,
      stalledInterval: options.stalledCheckMs,
      // Attempts count, but not deaths of processes, which say nothing about the receiver.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 500,
    },
  );
  worker.on('error', (error) => log.debug('webhook worker error', { error }));
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  return worker;

  /** Makes one attempt, if there is a slot. Returns after how many ms the delivery goes on; undefined if it is over. */
  async function attempt(job: Job<DeliveryItem>, signal: AbortSignal): Promise<number | undefined> {
    const leave = await slots.enter(job.data, signal);
    if (leave !== undefined) return tryOnce(job, signal).finally(leave);
    // It waits in Redis, and goes back there at once if this process stops.
    const leastMs = Math.min(MAX_PARKED_MS, Math.max(MIN_PARKED_MS, (Date.now() - job.timestamp) / 2));
    return stopping.aborted ? 0 : Math.round(leastMs * (1 + Math.random()));
  }

  async function tryOnce({ id = '', data }: Job<DeliveryItem>, signal: AbortSignal): Promise<number | undefined> {
    const due = await readDue(id, data);
    if (due === undefined) {
      await life.notified(data.job);
      return undefined;
    }
    return inTraceOf(due.snapshot.record.traceparent, async () => {
      const { attempt, retryInMs } = await options.handler(due, signal);
      const isLast = retryInMs === undefined;
      const logged = { ...attempt, run: data.run, tries: due.failedTries + 1, isLast };
      const isThere = await life.recordAttempt(data.job, logged, retryInMs);
      report(data, attempt, retryInMs);
      return isThere ? retryInMs : undefined;
    });
  }

  /** Undefined if there is nothing to deliver. */
  async function readDue(id: string, { job, run }: DeliveryItem): Promise<DueDelivery | undefined> {
    const [fields, attempts] = await Promise.all([
      redis.hgetall(keys.job(job)),
      redis.hget(keys.texts(job), 'attempts'),
    ]);
    const record = recordOf(fields);
    if (record?.callback == null || !isTerminal(record.status)) {
      log.warn('webhook dropped: its job has been deleted', { job });
      return undefined;
    }
    const last = parseAttempts(attempts).findLast((one) => one.run === run);
    // A process delivered it but died before it could report this, or another process moved it out of the outbox as
    // well.
    if (last?.isLast) return undefined;
    return {
      id,
      snapshot: { record, ...NO_PLACE, lastEventId: '0-0' },
      webhook: record.callback,
      failedTries: last?.tries ?? 0,
      again: isId(run),
    };
  }

  function report({ job, host }: DeliveryItem, attempt: WebhookAttempt, retryInMs: number | undefined): void {
    const { status, duration_ms, delivered, answer } = attempt;
    // Without a status, `answer` is our own reason. Otherwise it is the receiver's text, which may quote prompts.
    const reason = status === null ? { reason: answer } : {};
    const fields = { job, host, status, ms: duration_ms, ...reason };
    if (delivered) log.info('webhook delivered', fields);
    else if (retryInMs !== undefined) log.info('webhook not accepted', { ...fields, retry_ms: retryInMs });
    else log.warn('webhook failed for good', fields);
  }
}
