import { isId, isTerminal, type JoinedSignal, joinSignals, type WebhookAttempt } from '@comfy-fleet/contracts';
import { inTraceOf, type Logger } from '@comfy-fleet/telemetry';
import { DelayedError, type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { NO_PLACE, recordOf } from '../record/record.js';
import type { DeliveryItem, DueDelivery, TryResult } from './delivery.js';
import type { HostLimits } from './host-limits.js';
import type { HostQueues } from './host-queues.js';
import { type JobLife, parseAttempts } from './job-life.js';

/** Does one try. Rejects when it was none: when the signal aborted, or something failed that is not the receiver's. */
export type DeliveryHandler = (due: DueDelivery, signal: AbortSignal) => Promise<TryResult>;

export interface DeliveryWorkerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly limits: HostLimits;
  readonly hostQueues: HostQueues;
  readonly concurrency: number;
  /** Renewed at half; a dead process's deliveries are handed out again when it has run out. */
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly life: JobLife;
  /** Lets the first in the host queues go on, when they may. */
  readonly callIn: () => Promise<void>;
  readonly handler: DeliveryHandler;
  readonly log: Logger;
}

/** Tells BullMQ when the next try is to be. */
class TryAgain extends Error {
  override readonly name = 'TryAgain';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super('the receiver did not take it');
    this.delayMs = delayMs;
  }
}

/** How long a delivery rests that failed through no fault of its receiver. */
const FAULT_REST_MS = 30_000;

/**
 * BullMQ's worker of the delivery queue. Its lock keeps a try from being made twice at once: a try whose lock is lost
 * is broken off. Deliveries to hosts at their limit go back, to be called when one ends.
 */
export function createDeliveryWorker(options: DeliveryWorkerOptions): Worker {
  const { redis, keys, limits, hostQueues, life, log } = options;
  const underWay = new Map<string, JoinedSignal>();
  const worker = new Worker<DeliveryItem>(
    keys.webhookQueue,
    // BullMQ gives the signal only to a function that has a third parameter without a default.
    async (job, token, lockLost) => {
      const { id = '', data } = job;
      // After a lost lock it may come to this very process again, whose lock manager then forgets the first taking.
      underWay.get(id)?.abort();
      hostQueues.arrived(data, id);
      if (!limits.hasFree(data)) return park(job, token);
      const leave = limits.take(data);
      const trying = joinSignals(lockLost ? [lockLost] : []);
      const { signal } = trying;
      underWay.set(id, trying);
      try {
        await tryOnce(job, signal);
      } catch (error) {
        if (error instanceof TryAgain) throw error;
        return await putAside(job, token, signal, error);
      } finally {
        if (underWay.get(id) === trying) underWay.delete(id);
        trying.end();
        leave();
        await options.callIn();
      }
    },
    {
      connection: redis,
      prefix: keys.prefix,
      autorun: false,
      concurrency: options.concurrency,
      lockDuration: options.lockMs,
      stalledInterval: options.stalledCheckMs,
      // The tries are counted, not the deaths of processes: those say nothing about the receiver.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 500,
      settings: {
        backoffStrategy: (_tries, _type, error) => (error instanceof TryAgain ? error.delayMs : FAULT_REST_MS),
      },
    },
  );
  worker.on('error', (error) => log.debug('webhook worker error', { error }));
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  return worker;

  async function park(job: Job<DeliveryItem>, token: string | undefined): Promise<void> {
    const { id = '', data } = job;
    try {
      await job.moveToDelayed(Date.now() + hostQueues.parkedMs(data), token);
      hostQueues.join(data, id);
    } catch (error) {
      log.debug('a webhook could not be put aside; it comes again when its lock has run out', { error });
    }
    // The host may have got below its limit while this one went to its queue, when nobody saw it there.
    await options.callIn();
    throw new DelayedError();
  }

  async function tryOnce(job: Job<DeliveryItem>, signal: AbortSignal): Promise<void> {
    const { id = '', data } = job;
    const due = await readDue(id, data, job.attemptsMade);
    if (due === undefined) return life.notified(data.job);
    const retryInMs = await inTraceOf(due.snapshot.record.traceparent, async () => {
      const { attempt, retryInMs } = await options.handler(due, signal);
      await life.noteTry(data.job, { ...attempt, run: data.run }, retryInMs);
      report(data, attempt, retryInMs);
      return retryInMs;
    });
    if (retryInMs !== undefined) throw new TryAgain(retryInMs);
  }

  /** Undefined when there is nothing to deliver (any more). */
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
    // The process that delivered it died before it could say so, or another one moved it out of the outbox as well.
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
    // Without a status its answer says, in our words, why there was none; else it is the receiver's, and may quote
    // prompts.
    const reason = status === null ? { reason: answer } : {};
    const fields = { job, host, status, ms: duration_ms, ...reason };
    if (delivered) log.info('webhook delivered', fields);
    else if (retryInMs !== undefined) log.info('webhook not taken', { ...fields, retry_ms: retryInMs });
    else log.warn('webhook failed for good', fields);
  }

  /** It was no try: it keeps its count, and comes again. */
  async function putAside(
    job: Job<DeliveryItem>,
    token: string | undefined,
    signal: AbortSignal,
    error: unknown,
  ): Promise<void> {
    if (signal.aborted) log.warn('webhook broken off: its lock was lost', { job: job.data.job });
    else {
      log.error('webhook could not be tried', { job: job.data.job, error });
      // If that fails too, its lock lapses, and it is handed out again.
      await job.moveToDelayed(Date.now() + FAULT_REST_MS, token).catch(() => undefined);
    }
    throw new DelayedError();
  }
}
