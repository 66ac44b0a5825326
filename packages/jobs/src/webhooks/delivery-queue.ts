import type { Logger } from '@comfy-fleet/telemetry';
import { ErrorCode, Job, type Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { NO_EVENTS, openQueue } from '../queue/work-queues.js';
import type { DeliveryItem } from './delivery.js';

/** BullMQ's queue of webhooks, seen from the side that adds. */
export interface DeliveryQueue {
  /** BullMQ's own, to be looked at. */
  readonly queue: Queue;
  /** Queues a delivery, to begin in `delayMs` at the latest; does nothing while one with that id is queued. */
  add(id: string, item: DeliveryItem, delayMs?: number): Promise<void>;
  /** Lets one that waits for its time go on now. Does nothing when there is none. */
  promote(id: string): Promise<void>;
  /** Where BullMQ keeps the item with that id, and the times of those that wait. A score is ms · 2^12. */
  readonly keysOf: (id: string) => { readonly item: string; readonly delayed: string };
  close(): Promise<void>;
}

/** Whether there is another try, and when, is decided after each. */
const OUT_OF_REACH = 1_000_000;

export function createDeliveryQueue(redis: Redis, keys: Keys, log: Logger): DeliveryQueue {
  const queue = openQueue(redis, keys, keys.webhookQueue, log, NO_EVENTS);
  return {
    queue,
    add: async (id, item, delayMs = 0) => {
      await queue.add('webhook', item, {
        jobId: id,
        delay: delayMs,
        attempts: OUT_OF_REACH,
        backoff: { type: 'custom' },
        stackTraceLimit: 0,
        // A finished item must go, or its id could never be delivered again.
        removeOnComplete: true,
        removeOnFail: true,
      });
    },
    promote: async (id) => {
      // Only its id is needed: no round trip to read the rest.
      await new Job(queue, 'webhook', {}, {}, id).promote().catch((error: unknown) => {
        if (!isNotDelayed(error)) throw error;
      });
    },
    keysOf: (id) => ({ item: queue.toKey(id), delayed: queue.toKey('delayed') }),
    close: () => queue.close(),
  };
}

/** It goes on already, or has been delivered. */
function isNotDelayed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === ErrorCode.JobNotInState;
}
