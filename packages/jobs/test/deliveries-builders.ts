import type { Webhook } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { onTestFinished } from 'vitest';
import { createDeliveries, type DeliveriesOptions } from '../src/webhooks/deliveries.js';
import { createDeliveryQueue, type DueDelivery, type TryResult } from '../src/webhooks/delivery-queue.js';
import type { DeliveryHandler } from '../src/webhooks/delivery-worker.js';
import { createJobLife } from '../src/webhooks/job-webhooks.js';
import type { SlotLimits } from '../src/webhooks/slots.js';
import { type Fleet, JOB_TTL_SECONDS, quietLog } from './builders.js';

/** An attempt keeps its lock even on a busy machine; otherwise it would be repeated. */
const KEPT_LOCKS = { lockMs: 60_000, stalledCheckMs: 200 };
/** Locks of a dead dispatcher expire soon. */
export const SHORT_LOCKS = { lockMs: 1000, stalledCheckMs: 200 };
const SINK: Webhook = { url: 'https://receiver.example/hook' };

export const attempt = (status: number | null, answer = '') => ({
  at: new Date().toISOString(),
  status,
  duration_ms: 3,
  answer,
  delivered: status !== null && status >= 200 && status <= 299,
});

export const taken: TryResult = { attempt: attempt(200, 'thanks'), retryInMs: undefined };
export const notTaken = (retryInMs?: number): TryResult => ({ attempt: attempt(500, 'broken'), retryInMs });

export interface DispatcherOptions {
  readonly limits?: Partial<SlotLimits>;
  readonly overrides?: Partial<DeliveriesOptions>;
}

/** A running dispatcher; `stop` ends it properly, `cutOff` like a crash. */
export interface TestDispatcher {
  stop(): Promise<void>;
  /** Cuts its connections, so that nothing in progress ends. */
  cutOff(): Promise<void>;
}

export function dispatch(fleet: Fleet, handler: DeliveryHandler, options: DispatcherOptions = {}): TestDispatcher {
  const { limits, overrides } = options;
  const stopping = new AbortController();
  const deliveries = createDeliveries({
    redis: fleet.settings,
    jobTtlSeconds: JOB_TTL_SECONDS,
    signedUrlSeconds: 3600,
    ...KEPT_LOCKS,
    log: quietLog(),
    ...overrides,
  });
  const working = deliveries.work(handler, { concurrency: 16, perKey: 16, perHost: 4, ...limits }, stopping.signal);
  working.catch(() => {});
  const stop = async () => {
    stopping.abort();
    await working;
    await deliveries.close();
  };
  let isOver = false;
  const once = (end: () => Promise<void>) => async () => {
    if (isOver) return;
    isOver = true;
    await end();
  };
  onTestFinished(once(stop));
  return {
    stop: once(stop),
    cutOff: once(async () => {
      stopping.abort();
      await deliveries.close();
    }),
  };
}

/** A handler that records its calls and returns the given answer. */
export function recorder(answer: (due: DueDelivery) => TryResult | Promise<TryResult> = () => taken) {
  const dues: DueDelivery[] = [];
  return {
    dues,
    /** Resolves after so many calls. */
    got: (count: number) => until(`${count} tries`, () => dues.length >= count, { everyMs: 2 }),
    handler: async (due: DueDelivery) => {
      dues.push(due);
      return answer(due);
    },
  };
}

/** Creates a job with a webhook that has ended; returns its id. */
export async function endedJob(fleet: Fleet, callback: Webhook = SINK, key = 'anonymous'): Promise<string> {
  const { id } = (await fleet.submit({ callback, key })).record;
  await fleet.ledger.jobs.cancel(id);
  return id;
}

/** Creates many of them, some at a time. */
export async function endedJobs(fleet: Fleet, count: number, callback?: Webhook): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const some = Array.from({ length: Math.min(100, count - ids.length) }, () => endedJob(fleet, callback));
    ids.push(...(await Promise.all(some)));
  }
  return ids;
}

export function deliveryOf(fleet: Fleet) {
  const queue = createDeliveryQueue(fleet.redis, fleet.keys, quietLog());
  const life = createJobLife(fleet.redis, fleet.keys, JOB_TTL_SECONDS);
  const { webhooks } = fleet.ledger;
  return {
    queue,
    life,
    read: async (id: string) => webhooks.delivery((await fleet.get(id)).record),
    redeliver: async (id: string) => webhooks.redeliver((await fleet.get(id)).record),
    /** Resolves when its delivery is in this state. */
    reaches: (id: string, state: string) =>
      until(`the delivery of ${id} is ${state}`, async () => {
        const delivery = await webhooks.delivery((await fleet.get(id)).record);
        return delivery.state === state && delivery;
      }),
  };
}

/** Waits until only the logs of attempts are left of all deliveries. */
export async function nothingLeft(fleet: Fleet): Promise<void> {
  const { redis, keys } = fleet;
  await until('outbox and delivery queue are empty', async () => {
    // The order matters: entries that have left the outbox are in the queue.
    if ((await redis.xlen(keys.outbox)) > 0) return false;
    const items = await redis.keys(`${keys.prefix.replace(/[{}]/g, '?')}:${keys.webhookQueue}:msg_*`);
    return items.length === 0;
  });
}
