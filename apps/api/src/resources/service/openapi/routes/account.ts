import {
  keyListQuerySchema,
  keyListSchema,
  keyUsageListSchema,
  keyUsageQuerySchema,
  lodListSchema,
  meSchema,
  usageQuerySchema,
  usageSchema,
} from '@comfy-fleet/contracts';
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
    'GET /me': {
      id: 'getMe',
      tag: 'account',
      summary: 'See what the API key may do',
      description: 'Any key may ask. Where there are no keys, everybody may do everything, and `key` is null.',
      answers: { 200: { description: 'The key.', content: { 'application/json': meSchema } } },
    },
    'GET /usage': {
      id: 'getUsage',
      tag: 'account',
      summary: 'See what the API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', content: { 'application/json': usageSchema } } },
      errors: ['queue_unavailable'],
    },
    'GET /usage/keys': {
      id: 'listKeyUsage',
      tag: 'account',
      summary: 'See what every API key used',
      description: 'Of all keys that ever made a job, also of those that were revoked.',
      query: keyUsageQuerySchema,
      answers: { 200: { description: 'A page of keys.', content: { 'application/json': keyUsageListSchema } } },
      errors: ['queue_unavailable'],
    },
    'GET /usage/keys/:key': {
      id: 'getKeyUsage',
      tag: 'account',
      summary: 'See what one API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', content: { 'application/json': usageSchema } } },
      errors: ['key_not_found', 'queue_unavailable'],
    },
    'GET /keys': {
      id: 'listKeys',
      tag: 'account',
      summary: 'List the API keys: their rights, weights and limits',
      description: 'As the keys file has them now; neither the keys nor their hashes. Empty where there are no keys.',
      query: keyListQuerySchema,
      answers: { 200: { description: 'A page of keys.', content: { 'application/json': keyListSchema } } },
    },
  };
}
