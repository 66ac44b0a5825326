import {
  ANONYMOUS,
  type KeyList,
  keyLimitsSchema,
  keyListQuerySchema,
  keyListSchema,
  LODS,
  type LodList,
  lodListSchema,
  type Me,
  meSchema,
} from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import { type Caller, callerOf } from '../../server/gate.js';
import { pageOf } from '../../server/validator.js';
import { usageRoutes } from '../usage/routes.js';

const DEFAULT_LIMIT = 100;

const ACCOUNT = { name: 'account', description: 'Levels of detail, and what API keys may do and have used.' };

export function keyRoutes(deps: Deps): ApiRoute[] {
  const { config, keys, workflows } = deps;
  return tagged(ACCOUNT, {
    'GET /lods': {
      access: 'jobs',
      id: 'listLods',
      summary: 'List the levels of detail, the quickest first',
      description: 'Each level has the values that it uses for fields that a request leaves out.',
      answers: { 200: { description: 'The levels.', json: lodListSchema } },
      handler: () => {
        const data = LODS.map((lod) => {
          const { deadlineSeconds, ...profile } = workflows.profiles[lod];
          return { lod, ...profile, deadline_seconds: deadlineSeconds };
        });
        const body: LodList = { default: 'mid', data };
        return { status: 200, body };
      },
    },
    'GET /me': {
      access: 'known',
      id: 'getMe',
      summary: 'See what the API key may do',
      description: 'Any key may call this. If the service has no keys, everyone may do everything, and `key` is null.',
      answers: { 200: { description: 'The key.', json: meSchema } },
      handler: ({ caller }) => {
        const body: Me = { key: caller.id === ANONYMOUS ? null : caller.id, ...presentKey(caller) };
        return { status: 200, body };
      },
    },
    ...usageRoutes(deps),
    'GET /keys': withQuery({
      access: 'admin',
      id: 'listKeys',
      summary: 'List the API keys: their rights, weights and limits',
      description:
        'Shows the current keys file, but neither the keys themselves nor their hashes. Empty if the service has no keys.',
      query: keyListQuerySchema,
      answers: { 200: { description: 'A page of keys.', json: keyListSchema } },
      handler: (_request, { limit = DEFAULT_LIMIT, cursor }) => {
        const { page, ...more } = pageOf(keys?.all() ?? [], ({ id }) => id, { limit, cursor });
        const data = page.map((key) => ({
          key: key.id,
          created_at: key.created_at ?? null,
          ...presentKey(callerOf(key, config.access.keyLimits)),
        }));
        const body: KeyList = { data, ...more };
        return { status: 200, body };
      },
    }),
  });
}

/** Presents the rights and limits of a key, without its secrets. */
function presentKey({ scopes, weight, max_priority, workflows, limits }: Caller): Omit<Me, 'key'> {
  const names = Object.keys(keyLimitsSchema.properties) as (keyof Me['limits'])[];
  return {
    rights: [...scopes],
    weight,
    max_priority: max_priority ?? null,
    workflows: workflows === undefined ? null : [...workflows],
    limits: Object.fromEntries(names.map((name) => [name, limits?.[name] ?? null])) as Me['limits'],
  };
}
