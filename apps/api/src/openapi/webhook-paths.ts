import { WEBHOOK_EVENTS, webhookMessageSchema } from '@comfy-fleet/contracts';
import type { ParameterObject, PathItemObject } from 'openapi3-ts/oas31';
import type { Naming } from './name-schemas.js';

const HEADERS: readonly ParameterObject[] = [
  {
    name: 'webhook-id',
    in: 'header',
    required: true,
    description: 'The same in every try of one delivery: a repeat is known by it.',
    schema: { type: 'string' },
  },
  {
    name: 'webhook-timestamp',
    in: 'header',
    required: true,
    description: 'When this try was made, in seconds since 1970. Refuse what is older than a few minutes.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
  {
    name: 'webhook-signature',
    in: 'header',
    description:
      'Signatures with a space between them, one for each secret: `v1,` and the base64 of HMAC-SHA256 over ' +
      '`<webhook-id>.<webhook-timestamp>.<body>`. Absent when there is no secret.',
    schema: { type: 'string' },
  },
];

/** The calls that this service makes, by the event. */
export function webhookPaths(naming: Naming): Record<string, PathItemObject> {
  return Object.fromEntries(
    WEBHOOK_EVENTS.map((event) => [
      event,
      {
        post: {
          operationId: `on_${event.replace('.', '_')}`,
          tags: ['webhooks'],
          summary: `A job has ${event === 'job.expired' ? 'expired' : event.replace('job.', event === 'job.canceled' ? 'been ' : '')}`,
          description:
            'Sent to the webhook of a job or of its API key, as https://www.standardwebhooks.com describes. Answer ' +
            '2xx within ten seconds and do the work afterwards. Anything else is tried again for hours.',
          parameters: [...HEADERS],
          requestBody: { required: true, content: { 'application/json': { schema: naming(webhookMessageSchema) } } },
          responses: {
            '2XX': { description: 'Taken; there will be no further try.' },
            '410': { description: 'Gone for good; there will be no further try.' },
            '429': { description: 'Too busy; tried again when Retry-After says.' },
            '503': { description: 'Too busy; tried again when Retry-After says.' },
            default: { description: 'Tried again later. Redirects are not followed.' },
          },
          security: [],
        },
      },
    ]),
  );
}
