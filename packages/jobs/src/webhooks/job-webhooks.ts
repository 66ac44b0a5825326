import { FleetError, isTerminal, newId, type WebhookDelivery } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { JobRecord } from '../record/record.js';
import { eventsOf, hostOf, wants, webhookId } from './delivery.js';
import type { DeliveryQueue } from './delivery-queue.js';
import { type JobLife, parseAttempts } from './job-life.js';

/** BullMQ's score of a delayed item is its time in ms · 2^12 and a counter. */
const SCORE_PER_MS = 4096;

/** The webhooks of jobs. Every method fails with `queue_unavailable` while Redis is away. */
export interface JobWebhooks {
  /** How the delivery of the job's webhook stands. Throws `webhook_not_found`. */
  delivery(record: JobRecord): Promise<WebhookDelivery>;
  /**
   * Has the webhook delivered again, or at once when a try was to come later. Throws `webhook_not_found`,
   * `wrong_job_state` when there is no such end to notify of, and `job_not_found` when the job was deleted meanwhile.
   */
  redeliver(record: JobRecord): Promise<void>;
}

export function createJobWebhooks(redis: Redis, keys: Keys, queue: DeliveryQueue, life: JobLife): JobWebhooks {
  return {
    delivery: (record) => orUnavailable(() => readDelivery(redis, keys, queue, record)),
    redeliver: (record) => orUnavailable(() => redeliver(queue, life, record)),
  };
}

/** How the delivery of a job's webhook stands. */
export async function readDelivery(
  redis: Redis,
  keys: Keys,
  queue: DeliveryQueue,
  record: JobRecord,
): Promise<WebhookDelivery> {
  const webhook = webhookOf(record);
  const id = webhookId(record.id);
  const { item, delayed } = queue.keysOf(id);
  const replies = await redis.multi().lrange(keys.attempts(record.id), 0, -1).exists(item).zscore(delayed, id).exec();
  const [lines, exists, score] = (replies ?? []).map(([, reply]) => reply) as [string[], number, string | null];
  const attempts = parseAttempts(lines).map(({ run: _run, isLast: _isLast, ...attempt }) => attempt);
  return {
    id,
    url: webhook.url,
    events: eventsOf(webhook),
    state: stateOf(record, { isQueued: exists === 1, last: attempts.at(-1) }),
    next_attempt_at: score === null ? null : new Date(Math.floor(Number(score) / SCORE_PER_MS)).toISOString(),
    attempts,
  };
}

/** Has the webhook delivered again. */
export async function redeliver(queue: DeliveryQueue, life: JobLife, record: JobRecord): Promise<void> {
  const webhook = webhookOf(record);
  const { id, key, status } = record;
  if (!isTerminal(status))
    throw new FleetError('wrong_job_state', 'The job has not ended, so there is nothing to notify of.');
  if (!wants(webhook, status)) {
    throw new FleetError('wrong_job_state', `The webhook is not to be notified of job.${status}; see its events.`);
  }
  // Each does nothing where the other does something.
  await queue.add(webhookId(id), { job: id, key, host: hostOf(webhook.url), run: newId() });
  await queue.promote(webhookId(id));
  // Afterwards: a delivery that was just ending has had its last word on how long the job lives.
  if ((await life.prolong(id)) === undefined) throw new FleetError('job_not_found', 'The job has just been deleted.');
}

function stateOf(
  record: JobRecord,
  { isQueued, last }: { isQueued: boolean; last: WebhookDelivery['attempts'][number] | undefined },
): WebhookDelivery['state'] {
  if (!isTerminal(record.status)) return 'waiting';
  if (!wants(webhookOf(record), record.status)) return 'skipped';
  // Without any try it is still in the outbox.
  if (isQueued || last === undefined) return 'pending';
  return last.delivered ? 'delivered' : 'failed';
}

function webhookOf({ callback }: JobRecord) {
  if (callback === null) throw new FleetError('webhook_not_found', 'This job was made without a webhook.');
  return callback;
}
