import { webhookDeliverySchema } from '@comfy-fleet/contracts';
import type { OperationDocs } from '../operation.js';

export function webhookDocs(): OperationDocs {
  return {
    'GET /jobs/:id/webhooks': {
      id: 'getWebhooks',
      tag: 'webhooks',
      summary: 'See how the delivery of a webhook stands, with every try',
      answers: { 200: { description: 'The delivery.', content: { 'application/json': webhookDeliverySchema } } },
      errors: ['job_not_found', 'webhook_not_found', 'queue_unavailable'],
    },
    'POST /jobs/:id/webhooks/redeliver': {
      id: 'redeliverWebhook',
      tag: 'webhooks',
      summary: 'Deliver a webhook again',
      description: 'Under the same `webhook-id`; at once, when a try was to come later.',
      answers: {
        202: {
          description: 'It will be delivered; how the delivery stands.',
          content: { 'application/json': webhookDeliverySchema },
        },
      },
      errors: ['job_not_found', 'webhook_not_found', 'wrong_job_state', 'queue_unavailable'],
    },
  };
}
