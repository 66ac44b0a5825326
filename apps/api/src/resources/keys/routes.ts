import {
  ANONYMOUS,
  type KeyList,
  keyListQuerySchema,
  keyListSchema,
  keyUsageListSchema,
  keyUsageQuerySchema,
  LODS,
  type LodList,
  lodListSchema,
  type Me,
  meSchema,
  usageQuerySchema,
  usageSchema,
} from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { ApiRoute } from '../../openapi/operation.js';
import { type Caller, callerOf, knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader, pageOf } from '../../server/validator.js';
import { getKeyUsage, getUsage } from '../usage/get-usage.js';
import { listKeyUsage } from '../usage/list-key-usage.js';

const DEFAULT_LIMIT = 100;

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

/** The keys as the file has them now. */
function listKeys({ keys, config }: Deps): Handler {
  const read = createQueryReader(keyListQuerySchema);
  return ({ query }) => {
    const { limit = DEFAULT_LIMIT, cursor } = read(query);
    const { page, ...more } = pageOf(keys?.all() ?? [], ({ id }) => id, { limit, cursor });
    const data = page.map((key) => ({
      key: key.id,
      created_at: key.created_at ?? null,
      ...presentKey(callerOf(key, config.access.keyLimits)),
    }));
    const body: KeyList = { data, ...more };
    return { status: 200, body };
  };
}

/** What a key may do, as answers show it: nothing that is secret. */
function presentKey(caller: Caller): Omit<Me, 'key'> {
  const { scopes, weight, maxPriority, workflows, limits, gpuSecondsPerDay, gpuLimits, maxGpuSeconds } = caller;
  return {
    rights: [...scopes],
    weight,
    max_priority: maxPriority ?? null,
    workflows: workflows === undefined ? null : [...workflows],
    limits: {
      requests_per_minute: limits?.requestsPerMinute ?? null,
      jobs_waiting: limits?.jobsWaiting ?? null,
      jobs_running: limits?.jobsRunning ?? null,
      upload_bytes_per_day: limits?.uploadBytesPerDay ?? null,
      max_gpu_seconds_per_day: gpuSecondsPerDay ?? null,
      max_gpu_seconds: maxGpuSeconds ?? null,
      max_steps: gpuLimits.maxSteps ?? null,
      max_size: gpuLimits.maxSize ?? null,
      max_count: gpuLimits.maxCount ?? null,
      max_pixels: gpuLimits.maxJobPixels ?? null,
    },
  };
}

/** What the caller may do. */
const me: Handler = (request) => {
  const caller = knownCaller(request.caller);
  const body: Me = { key: caller.id === ANONYMOUS ? null : caller.id, ...presentKey(caller) };
  return { status: 200, body };
};

/** The levels of detail, the quickest first, as lod-profiles.json has them. */
function lods({ workflows }: Deps): Handler {
  return () => {
    const data = LODS.map((lod) => {
      const { deadlineSeconds, ...profile } = workflows.profiles[lod];
      return { lod, ...profile, deadline_seconds: deadlineSeconds };
    });
    const body: LodList = { default: 'mid', data };
    return { status: 200, body };
  };
}
