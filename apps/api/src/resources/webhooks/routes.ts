import { webhookDeliverySchema } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/ownership.js';
import { type ApiRoute, tagged } from '../../openapi/route.js';

const WEBHOOKS = { name: 'webhooks', description: 'Be notified when a job has ended.' };

export function webhookRoutes(deps: Deps): ApiRoute[] {
  const { webhooks } = deps.ledger;
  return tagged(WEBHOOKS, {
    'GET /jobs/:id/webhooks': {
      access: 'jobs',
      id: 'getWebhooks',
      summary: 'Read the state of a webhook delivery, with every attempt',
      answers: { 200: { description: 'The delivery.', json: webhookDeliverySchema } },
      errors: ['webhook_not_found'],
      handler: async ({ params: { id }, caller }) => {
        const { record } = await ownJob(deps, id, caller);
        return { status: 200, body: await webhooks.delivery(record) };
      },
    },
    'POST /jobs/:id/webhooks/redeliver': {
      access: 'jobs',
      id: 'redeliverWebhook',
      summary: 'Deliver a webhook again',
      description: 'The delivery keeps its `webhook-id`. If an attempt was scheduled for later, it is made now.',
      answers: { 202: { description: 'The delivery; it will be attempted at once.', json: webhookDeliverySchema } },
      errors: ['webhook_not_found', 'wrong_job_state'],
      handler: async ({ params: { id }, caller }) => {
        const { record } = await ownJob(deps, id, caller);
        await webhooks.redeliver(record);
        return { status: 202, body: await webhooks.delivery(record) };
      },
    },
  });
}
