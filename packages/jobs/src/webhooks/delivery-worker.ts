import { isId, isTerminal, type JoinedSignal, joinSignals, type WebhookAttempt } from '@comfy-fleet/contracts';
import { inTraceOf, type Logger } from '@comfy-fleet/telemetry';
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { NO_PLACE, recordOf } from '../record/record.js';
import type { DeliveryItem, DueDelivery, TryResult } from './delivery-queue.js';
import { type JobLife, parseAttempts } from './job-webhooks.js';
import { Slots } from './slots.js';

/**
 * Makes one attempt. Rejects if the signal aborts or something fails that is not the receiver's fault; that does not
 * count as an attempt.
 */
export type DeliveryHandler = (due: DueDelivery, signal: AbortSignal) => Promise<TryResult>;

export interface DeliveryWorkerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly concurrency: number;
  readonly perHost: number;
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

/** Tells BullMQ when to try again. */
class TryAgain extends Error {
  override readonly name = 'TryAgain';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super('the receiver did not accept it');
    this.delayMs = delayMs;
  }
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
  const { redis, keys, concurrency, perHost, stopping, life, log } = options;
  const slots = new Slots({ concurrency, perHost, places: PLACES });
  if (stopping.aborted) slots.close();
  stopping.addEventListener('abort', () => slots.close());
  const underWay = new Map<string, JoinedSignal>();
  const worker = new Worker<DeliveryItem>(
    keys.webhookQueue,
    // BullMQ passes the signal only to functions with a third parameter without a default.
    async (job, token, lockLost) => {
      const { id = '', data } = job;
      // After a lost lock, this process may get the delivery again, and its lock manager then forgets the first
      // attempt.
      underWay.get(id)?.abort();
      const trying = joinSignals(lockLost ? [lockLost] : []);
      underWay.set(id, trying);
      try {
        const leave = await slots.enter(data, trying.signal);
        if (leave === undefined) return await park(job, token, trying.signal);
        await tryOnce(job, trying.signal).finally(leave);
      } catch (error) {
        if (error instanceof TryAgain || error instanceof DelayedError) throw error;
        return await postpone(job, token, trying.signal, error);
      } finally {
        if (underWay.get(id) === trying) underWay.delete(id);
        trying.end();
      }
    },
    {
      connection: redis,
      prefix: keys.prefix,
      autorun: false,
      concurrency: concurrency + PLACES,
      lockDuration: options.lockMs,
      stalledInterval: options.stalledCheckMs,
      // Attempts count, but not deaths of processes, which say nothing about the receiver.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 500,
      settings: {
        backoffStrategy: (_tries, _type, error) => (error instanceof TryAgain ? error.delayMs : FAULT_DELAY_MS),
      },
    },
  );
  worker.on('error', (error) => log.debug('webhook worker error', { error }));
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  return worker;

  /** Lets the delivery wait in Redis, or returns it at once if this process stops. */
  async function park(job: Job<DeliveryItem>, token: string | undefined, lockLost: AbortSignal): Promise<void> {
    const leastMs = Math.min(MAX_PARKED_MS, Math.max(MIN_PARKED_MS, (Date.now() - job.timestamp) / 2));
    const delayMs = stopping.aborted ? 0 : leastMs * (1 + Math.random());
    if (!lockLost.aborted) await job.moveToDelayed(Date.now() + Math.round(delayMs), token);
    throw new DelayedError();
  }

  async function tryOnce(job: Job<DeliveryItem>, signal: AbortSignal): Promise<void> {
    const { id = '', data } = job;
    const due = await readDue(id, data, job.attemptsMade);
    if (due === undefined) return life.notified(data.job);
    const retryInMs = await inTraceOf(due.snapshot.record.traceparent, async () => {
      const { attempt, retryInMs } = await options.handler(due, signal);
      await life.recordAttempt(data.job, { ...attempt, run: data.run }, retryInMs);
      report(data, attempt, retryInMs);
      return retryInMs;
    });
    if (retryInMs !== undefined) throw new TryAgain(retryInMs);
  }

  /** Undefined if there is nothing to deliver. */
  async function readDue(
    id: string,
    { job, run }: DeliveryItem,
    failedTries: number,
  ): Promise<DueDelivery | undefined> {
    const [fields, attempts] = await Promise.all([
      redis.hgetall(keys.job(job)),
      redis.lrange(keys.attempts(job), 0, -1).then(parseAttempts),
    ]);
    const record = recordOf(fields);
    if (record?.callback == null || !isTerminal(record.status)) {
      log.warn('webhook dropped: its job has been deleted', { job });
      return undefined;
    }
    // A process delivered it but died before it could report this, or another process moved it out of the outbox as
    // well.
    if (attempts.some((one) => one.run === run && one.isLast)) return undefined;
    return {
      id,
      snapshot: { record, ...NO_PLACE, lastEventId: '0-0' },
      webhook: record.callback,
      failedTries,
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

  /** Postpones a delivery without counting an attempt. */
  async function postpone(
    job: Job<DeliveryItem>,
    token: string | undefined,
    signal: AbortSignal,
    error: unknown,
  ): Promise<void> {
    if (signal.aborted) log.warn('webhook attempt aborted: its lock was lost', { job: job.data.job });
    else {
      log.error('webhook attempt failed for a reason of our own', { job: job.data.job, error });
      // If this fails too, the lock expires and the delivery is handed out again.
      await job.moveToDelayed(Date.now() + FAULT_DELAY_MS, token).catch(() => undefined);
    }
    throw new DelayedError();
  }
}
