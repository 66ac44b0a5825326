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
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { ApiRoute } from '../../openapi/operation.js';
import { lods } from '../service/lods.js';
import { getKeyUsage, getUsage } from '../usage/get-usage.js';
import { listKeyUsage } from '../usage/list-key-usage.js';
import { listKeys } from './list-keys.js';
import { me } from './me.js';

const ACCOUNT = {
  name: 'account',
  description: 'Levels of detail, and what API keys may do and have used.',
};

export function keyRoutes(deps: Deps): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/lods',
      access: 'jobs',
      handler: lods(deps),
      id: 'listLods',
      tag: ACCOUNT,
      summary: 'List the levels of detail, the quickest first',
      description: 'The values that each uses for fields that a request leaves out.',
      answers: { 200: { description: 'The levels.', content: { 'application/json': lodListSchema } } },
    },
    {
      method: 'GET',
      path: '/me',
      access: 'known',
      handler: me,
      id: 'getMe',
      tag: ACCOUNT,
      summary: 'See what the API key may do',
      description: 'Any key may ask. Where there are no keys, everybody may do everything, and `key` is null.',
      answers: { 200: { description: 'The key.', content: { 'application/json': meSchema } } },
    },
    {
      method: 'GET',
      path: '/usage',
      access: 'jobs',
      handler: getUsage(deps),
      id: 'getUsage',
      tag: ACCOUNT,
      summary: 'See what the API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', content: { 'application/json': usageSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/usage/keys',
      access: 'admin',
      handler: listKeyUsage(deps),
      id: 'listKeyUsage',
      tag: ACCOUNT,
      summary: 'See what every API key used',
      description: 'Of all keys that ever made a job, also of those that were revoked.',
      query: keyUsageQuerySchema,
      answers: { 200: { description: 'A page of keys.', content: { 'application/json': keyUsageListSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/usage/keys/:key',
      params: { key: Type.String({ description: 'The id of an API key.' }) },
      access: 'admin',
      handler: getKeyUsage(deps),
      id: 'getKeyUsage',
      tag: ACCOUNT,
      summary: 'See what one API key used, day by day',
      query: usageQuerySchema,
      answers: { 200: { description: 'Days (UTC), today first.', content: { 'application/json': usageSchema } } },
      errors: ['key_not_found', 'queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/keys',
      access: 'admin',
      handler: listKeys(deps),
      id: 'listKeys',
      tag: ACCOUNT,
      summary: 'List the API keys: their rights, weights and limits',
      description: 'As the keys file has them now; neither the keys nor their hashes. Empty where there are no keys.',
      query: keyListQuerySchema,
      answers: { 200: { description: 'A page of keys.', content: { 'application/json': keyListSchema } } },
    },
  ];
}
