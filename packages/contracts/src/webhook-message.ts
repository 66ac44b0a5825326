import Type from 'typebox';
import { jobSchema } from './job.js';
import { WEBHOOK_EVENTS } from './webhook.js';

/** The body of a webhook, as Standard Webhooks has it. */
export const webhookMessageSchema = Type.Object({
  type: Type.Enum([...WEBHOOK_EVENTS]),
  timestamp: Type.String({ format: 'date-time', description: 'When the job ended: the same in every try.' }),
  data: jobSchema,
});
