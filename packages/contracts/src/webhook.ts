import Type, { type Static } from 'typebox';
import { jobSchema } from './job.js';
import { TERMINAL_STATUSES, type TerminalStatus } from './job-states.js';
import { named, nullable, time } from './schema-parts.js';

/** The event of a webhook: how the job ended. */
export type WebhookEvent = `job.${TerminalStatus}`;
export const WEBHOOK_EVENTS: readonly WebhookEvent[] = TERMINAL_STATUSES.map((status) => `job.${status}` as const);

/** A symmetric secret in the format of Standard Webhooks: 24 to 64 bytes in base64. */
export const WEBHOOK_SECRET_PATTERN = '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$';
const MAX_URL_CHARS = 2048;

export const webhookUrlSchema = () =>
  Type.String({ minLength: 1, maxLength: MAX_URL_CHARS, description: 'http(s) address that is called.' });

export const webhookEventsSchema = () =>
  // Without a type, ajv would compare each entry with every other one.
  Type.Array(Type.Enum([...WEBHOOK_EVENTS], { type: 'string' }), {
    minItems: 1,
    maxItems: WEBHOOK_EVENTS.length,
    uniqueItems: true,
    description: 'The ends that it is called for; all by default.',
  });

/** The webhook of a job request. */
export const webhookSchema = named(
  'Webhook',
  {
    url: webhookUrlSchema(),
    events: Type.Optional(webhookEventsSchema()),
    secret: Type.Optional(
      Type.String({
        pattern: WEBHOOK_SECRET_PATTERN,
        description: 'whsec_ and 24 to 64 bytes in base64: signs this webhook in place of the secrets of the API key.',
      }),
    ),
  },
  { additionalProperties: false },
);

/** A webhook as it is kept in a job's record. Its secret is never shown. */
export type Webhook = Static<typeof webhookSchema>;

/** One attempt to deliver a webhook, as `GET /jobs/:id/webhooks` shows it. */
export const webhookAttemptSchema = named('WebhookAttempt', {
  at: time('When the attempt began.'),
  status: nullable(Type.Integer(), 'HTTP status of the answer; null if there was none.'),
  duration_ms: Type.Integer({ description: 'Time until the answer or the timeout.' }),
  answer: Type.String({ description: 'The first KiB of the answer’s body as text, or why there was no answer.' }),
  delivered: Type.Boolean({ description: 'Whether the receiver accepted it, with a status of 200 to 299.' }),
});

/** The delivery of a job's webhook, as `GET /jobs/:id/webhooks` answers it. */
export const webhookDeliverySchema = named('WebhookDelivery', {
  id: Type.String({ description: 'The `webhook-id`, which is the same for every attempt.' }),
  url: Type.String({ description: 'Address of the receiver.' }),
  events: Type.Array(Type.Enum([...WEBHOOK_EVENTS]), { description: 'The events that are sent.' }),
  state: Type.Enum(['waiting', 'pending', 'delivered', 'failed', 'skipped'], {
    description:
      '`waiting`: the job has not ended. `pending`: an attempt is due or in progress. `skipped`: the job ended in a way ' +
      'that `events` does not include.',
  }),
  next_attempt_at: nullable(time(), 'When the next attempt is due; null if there is none.'),
  attempts: Type.Array(webhookAttemptSchema, { description: 'All attempts, oldest first.' }),
});

export type WebhookAttempt = Static<typeof webhookAttemptSchema>;
export type WebhookDelivery = Static<typeof webhookDeliverySchema>;

/** The body of a webhook, in the format of Standard Webhooks. */
export const webhookMessageSchema = named('WebhookMessage', {
  type: Type.Enum([...WEBHOOK_EVENTS]),
  timestamp: Type.String({
    format: 'date-time',
    description: 'When the job ended, which is the same in every attempt.',
  }),
  data: jobSchema,
});
