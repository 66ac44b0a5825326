import { webhookDeliverySchema } from '@comfy-fleet/contracts';
import type { OperationDocs } from '../operation.js';

export function webhookDocs(): OperationDocs {
  return {
    'GET /jobs/:id/webhooks': {
      id: 'getWebhooks',
      tag: 'webhooks',
      summary: 'Read the state of a webhook delivery, with every attempt',
      answers: { 200: { description: 'The delivery.', content: { 'application/json': webhookDeliverySchema } } },
      errors: ['job_not_found', 'webhook_not_found', 'queue_unavailable'],
    },
    'POST /jobs/:id/webhooks/redeliver': {
      id: 'redeliverWebhook',
      tag: 'webhooks',
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
  };
}
