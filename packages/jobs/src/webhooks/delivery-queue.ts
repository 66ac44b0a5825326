import { type TerminalStatus, WEBHOOK_EVENTS, type Webhook, type WebhookAttempt } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { ErrorCode, Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { Keys } from '../keys.js';
import { NO_EVENTS, openQueue } from '../queue/work-queues.js';
import type { JobSnapshot } from '../record/record.js';

/** The data of an item in the delivery queue. Its id is the `webhook-id`. */
export interface DeliveryItem {
  readonly job: string;
  /** The API key of the job. */
  readonly key: string;
  /** The host that it is sent to. Deliveries at a time are bounded for each key and host. */
  readonly host: string;
  /**
   * Distinguishes this item from earlier ones with the same id: the id of its outbox entry, or a UUID for a redelivery.
   */
  readonly run: string;
}

/** An attempt that is due. */
export interface DueDelivery {
  /** The `webhook-id`: the same for every attempt and for redeliveries. */
  readonly id: string;
  readonly snapshot: JobSnapshot;
  readonly webhook: Webhook;
  /** How many attempts have failed since the delivery was queued. */
  readonly failedTries: number;
  /** A caller requested a redelivery. */
  readonly again: boolean;
}

/** The result of an attempt. */
export interface TryResult {
  readonly attempt: WebhookAttempt;
  /** Undefined if there is no other attempt. */
  readonly retryInMs: number | undefined;
}

/** The `webhook-id` of a job's webhook: the same for every attempt, so that receivers can drop duplicates. */
export function webhookId(jobId: string): string {
  return `msg_${jobId}`;
}

/** The host of a URL, with its port if there is one, and without a dot at the end of the name. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host.replace(/\.(?=:|$)/, '') : '';
}

/** The events that a webhook wants; all, unless it names some. */
export function eventsOf(webhook: Webhook): Webhook['events'] & object {
  return [...(webhook.events ?? WEBHOOK_EVENTS)];
}

export function wants(webhook: Webhook, status: TerminalStatus): boolean {
  return eventsOf(webhook).includes(`job.${status}`);
}

/** For how long the webhooks of a key count against its next ones. */
const TURNS_MS = 60_000;
/** How many keys are counted. */
const MOST_KEYS = 10_000;
/** BullMQ's lowest priority. */
const LAST_TURN = 2 ** 21 - 1;

/** BullMQ's queue of webhooks. */
export type DeliveryQueue = ReturnType<typeof createDeliveryQueue>;

export function createDeliveryQueue(redis: Redis, keys: Keys, log: Logger) {
  const queue = openQueue(redis, keys, keys.webhookQueue, log, NO_EVENTS);
  const added = new LRUCache<string, number>({ max: MOST_KEYS, ttl: TURNS_MS, noUpdateTTL: true });
  const nextTurn = (key: string) => {
    const turn = Math.min((added.get(key) ?? 0) + 1, LAST_TURN);
    added.set(key, turn);
    return turn;
  };
  return {
    /** The queue itself, for inspection. */
    queue,
    /** Queues deliveries, those of different keys in turn. Does nothing for a job whose delivery is queued. */
    add: async (items: readonly DeliveryItem[]): Promise<void> => {
      // Finished items must be removed; otherwise their ids could never be delivered again.
      const opts = { removeOnComplete: true, removeOnFail: true };
      await queue.addBulk(
        items.map((data) => ({
          name: 'webhook',
          data,
          opts: { jobId: webhookId(data.job), priority: nextTurn(data.key), ...opts },
        })),
      );
    },
    /** Starts a delayed delivery now. Does nothing if there is none. */
    promote: async (id: string): Promise<void> => {
      // Only the id is needed, which saves reading the item.
      await new Job(queue, 'webhook', {}, {}, id).promote().catch((error: unknown) => {
        if (!isNotDelayed(error)) throw error;
      });
    },
    close: () => queue.close(),
  };
}

/** Whether the delivery is in progress or over. */
function isNotDelayed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === ErrorCode.JobNotInState;
}
