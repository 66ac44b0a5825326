import { webhookDeliverySchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/ownership.js';
import type { ApiRoute } from '../../openapi/operation.js';
import type { Handler } from '../../server/messages.js';
import { JOB_ID } from '../jobs/routes.js';

const WEBHOOKS = {
  name: 'webhooks',
  description: 'Be notified when a job has ended.',
};

export function webhookRoutes(deps: Deps): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/jobs/:id/webhooks',
      params: { id: JOB_ID },
      access: 'jobs',
      handler: getWebhooks(deps),
      id: 'getWebhooks',
      tag: WEBHOOKS,
      summary: 'Read the state of a webhook delivery, with every attempt',
      answers: { 200: { description: 'The delivery.', content: { 'application/json': webhookDeliverySchema } } },
      errors: ['job_not_found', 'webhook_not_found', 'queue_unavailable'],
    },
    {
      method: 'POST',
      path: '/jobs/:id/webhooks/redeliver',
      params: { id: JOB_ID },
      access: 'jobs',
      handler: redeliverWebhook(deps),
      id: 'redeliverWebhook',
      tag: WEBHOOKS,
      summary: 'Deliver a webhook again',
      description: 'Under the same `webhook-id`. If an attempt was scheduled for later, it is made now.',
      answers: {
        202: {
          description: 'The delivery; it will be attempted at once.',
          content: { 'application/json': webhookDeliverySchema },
        },
      },
      errors: ['job_not_found', 'webhook_not_found', 'wrong_job_state', 'queue_unavailable'],
    },
  ];
}

/** How the delivery of the job's webhook stands, with every try. */
function getWebhooks(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    return { status: 200, body: await deps.ledger.webhooks.delivery(record) };
  };
}

/** Has the webhook of an ended job delivered again, under the same webhook-id; answers how it stands then. */
function redeliverWebhook(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    await deps.ledger.webhooks.redeliver(record);
    return { status: 202, body: await deps.ledger.webhooks.delivery(record) };
  };
}
