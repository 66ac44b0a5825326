import { lodListSchema, usageQuerySchema, usageSchema } from '@comfy-fleet/contracts';
import type { OperationDocs } from '../operation.js';

export function accountDocs(): OperationDocs {
  return {
    'GET /lods': {
      id: 'listLods',
      tag: 'account',
      summary: 'List the levels of detail, the quickest first',
      description: 'The values that each uses for fields that a request leaves out.',
      answers: { 200: { description: 'The levels.', content: { 'application/json': lodListSchema } } },
    },
    'GET /usage': {
      id: 'getUsage',
      tag: 'account',
      summary: 'See what the API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', content: { 'application/json': usageSchema } } },
      errors: ['queue_unavailable'],
    },
  };
}
