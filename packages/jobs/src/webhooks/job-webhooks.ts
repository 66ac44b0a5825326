import { FleetError, isTerminal, newId, type WebhookAttempt, type WebhookDelivery } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { JobRecord } from '../record/record.js';
import { type DeliveryQueue, eventsOf, hostOf, wants, webhookId } from './delivery-queue.js';

/** BullMQ's score of a delayed item is its time in ms · 2^12, plus a counter. */
const SCORE_PER_MS = 4096;

/** The webhooks of jobs. Every method fails with `queue_unavailable` while Redis is away. */
export function createJobWebhooks(redis: Redis, keys: Keys, queue: DeliveryQueue, life: JobLife) {
  return {
    /** The state of the delivery of the job's webhook. Throws `webhook_not_found`. */
    delivery: (record: JobRecord) =>
      orUnavailable(async (): Promise<WebhookDelivery> => {
        const webhook = webhookOf(record);
        const id = webhookId(record.id);
        const reading = redis
          .multi()
          .hget(keys.texts(record.id), 'attempts')
          .exists(keys.webhookPart(id))
          .zscore(keys.webhookPart('delayed'), id);
        const replies = ((await reading.exec()) ?? []).map(([, reply]) => reply);
        const [lines, exists, score] = replies as [string | null, number, string | null];
        const attempts = parseAttempts(lines).map(({ run: _, tries: __, isLast: ___, ...attempt }) => attempt);
        return {
          id,
          url: webhook.url,
          events: eventsOf(webhook),
          state: stateOf(record, { isQueued: exists === 1, last: attempts.at(-1) }),
          next_attempt_at: score === null ? null : new Date(Math.floor(Number(score) / SCORE_PER_MS)).toISOString(),
          attempts,
        };
      }),
    /**
     * Delivers the webhook again, or at once if an attempt was planned for later. Throws `webhook_not_found`,
     * `wrong_job_state` if the webhook does not want this event, and `job_not_found` if the job was deleted meanwhile.
     */
    redeliver: (record: JobRecord) =>
      orUnavailable(async () => {
        const webhook = webhookOf(record);
        const { id, key, status } = record;
        if (!isTerminal(status))
          throw new FleetError('wrong_job_state', 'The job has not ended, so there is no event to deliver.');
        if (!wants(webhook, status)) {
          throw new FleetError('wrong_job_state', `The webhook does not want job.${status}; see its events.`);
        }
        // Only one of these has an effect.
        await queue.add([{ job: id, key, host: hostOf(webhook.url), run: newId() }]);
        await queue.promote(webhookId(id));
        // Last, because a delivery that was just ending may have set the lifetime of the job.
        if ((await life.prolong(id)) === undefined) {
          throw new FleetError('job_not_found', 'The job has just been deleted.');
        }
      }),
  };
}

function stateOf(
  record: JobRecord,
  { isQueued, last }: { isQueued: boolean; last: WebhookDelivery['attempts'][number] | undefined },
): WebhookDelivery['state'] {
  if (!isTerminal(record.status)) return 'waiting';
  if (!wants(webhookOf(record), record.status)) return 'skipped';
  // Without any attempt, it is still in the outbox.
  if (isQueued || last === undefined) return 'pending';
  return last.delivered ? 'delivered' : 'failed';
}

function webhookOf({ callback }: JobRecord) {
  if (callback === null) throw new FleetError('webhook_not_found', 'This job was made without a webhook.');
  return callback;
}

/** An attempt in the log, with fields that callers do not see. */
interface LoggedAttempt extends WebhookAttempt {
  /** The `run` of its item in the delivery queue. */
  readonly run: string;
  /** How many attempts of that item were made, with this one. */
  readonly tries: number;
  /** It was the last attempt of that item. */
  readonly isLast: boolean;
}

/** Parses the log of attempts. */
export function parseAttempts(lines: string | null | undefined): LoggedAttempt[] {
  return lines ? lines.split('\n').map((line) => JSON.parse(line) as LoggedAttempt) : [];
}

/** Lifetimes of jobs with webhooks: a job must exist when its webhook arrives. */
export type JobLife = ReturnType<typeof createJobLife>;

export function createJobLife(redis: Redis, keys: Keys, jobTtlSeconds: number) {
  const ttlMs = jobTtlSeconds * 1000;
  const lifeUntil = (nextTryInMs: number) => nextTryInMs + ttlMs + LUA_CONSTANTS.UNDELIVERED_EXTRA_MS;
  const run = async (id: string, args: NamedArguments = {}) =>
    (await runScript(redis, 'outlive', keys.job(id), keys.prefix, { id, ended_life: ttlMs, ...args })) as string;
  return {
    /**
     * Keeps an ended job for long, beyond its lifetime, because its webhook is undelivered. Returns its key; undefined
     * if there is no such job.
     */
    prolong: async (id: string) => (await run(id, { life: lifeUntil(0) })) || undefined,
    /**
     * Logs an attempt. Keeps the job until long after the next one, or starts its lifetime if there is none. Resolves to whether
     * there still is such a job.
     */
    recordAttempt: async (id: string, attempt: LoggedAttempt, nextTryInMs: number | undefined) => {
      const life = nextTryInMs === undefined ? undefined : lifeUntil(nextTryInMs);
      return (await run(id, { try: JSON.stringify(attempt), life })) !== '';
    },
    /** Nothing is left to deliver: the lifetime of the job starts. */
    notified: async (id: string) => {
      await run(id);
    },
  };
}
