import { type TerminalStatus, WEBHOOK_EVENTS, type Webhook, type WebhookAttempt } from '@comfy-fleet/contracts';
import type { Keys } from '../keys.js';
import type { JobSnapshot } from '../record/record.js';

/** What an item of the delivery queue carries. Its id is the `webhook-id`. */
export interface DeliveryItem {
  readonly job: string;
  /** The API key of the job. */
  readonly key: string;
  /** Where it is to go: what bounds, with the key, how many go there at a time. */
  readonly host: string;
  /**
   * Names this item among those that the same id had before: an outbox entry, or an id for one asking for redelivery.
   */
  readonly run: string;
}

/** A try that is due. */
export interface DueDelivery {
  /** The `webhook-id`: the same for every try, and for a redelivery. */
  readonly id: string;
  readonly snapshot: JobSnapshot;
  readonly webhook: Webhook;
  /** Tries that failed since the delivery was queued. */
  readonly failedTries: number;
  /** A caller asked for it to be delivered again. */
  readonly again: boolean;
}

/** What came of a try. */
export interface TryResult {
  readonly attempt: WebhookAttempt;
  /** Undefined: there is to be no other. */
  readonly retryInMs: number | undefined;
}

/** The same for every try to notify of this job's end, so that a receiver can drop what it had. */
export function webhookId(jobId: string): string {
  return `msg_${jobId}`;
}

/** Where BullMQ keeps the item of the job's delivery while there is one. */
export function deliveryItemKey(keys: Keys, jobId: string): string {
  return keys.webhookPart(webhookId(jobId));
}

/** With its port, if the URL names one, and without the dot that a full name may end in. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host.replace(/\.(?=:|$)/, '') : '';
}

/** The ends of which it notifies; all unless it says which. */
export function eventsOf(webhook: Webhook): Webhook['events'] & object {
  return [...(webhook.events ?? WEBHOOK_EVENTS)];
}

export function wants(webhook: Webhook, status: TerminalStatus): boolean {
  return eventsOf(webhook).includes(`job.${status}`);
}
