import { healthSchema, type Probe, probeSchema, type ServiceIndex, serviceIndexSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { type ApiRoute, tagged } from '../../openapi/route.js';
import type { Handler } from '../../server/messages.js';
import { OPERATION } from '../fleet/admin-routes.js';
import { health } from './health.js';
import { openApiJson } from './openapi-json.js';

const FINE: Probe = { status: 'ok', reasons: [] };
const WITHOUT_PICTURES: Probe = {
  status: 'ok',
  reasons: ['Pictures cannot be stored or read at the moment; GET /health says why'],
};

/** Index, documentation, probes and health. */
export function serviceRoutes(deps: Deps, all: () => readonly ApiRoute[]): ApiRoute[] {
  const { storage, stopping } = deps;
  return tagged(OPERATION, {
    'GET /': {
      access: 'public',
      id: 'getIndex',
      summary: 'Find the documentation of the API, and the studio',
      answers: {
        200: { description: 'Their addresses.', json: serviceIndexSchema },
        302: { description: 'A redirect to the studio, for browsers.', headers: ['Location'] },
      },
      handler: index(deps),
    },
    'GET /openapi.json': {
      access: 'optional',
      id: 'getOpenApi',
      summary: 'Read this API as an OpenAPI document',
      description:
        'Contains the workflows that your API key may run. Without a key it contains none, unless the service has no keys.',
      headers: ['If-None-Match'],
      answers: {
        200: {
          description: 'OpenAPI 3.1.',
          json: Type.Object({ openapi: Type.String({ pattern: '^3\\.1\\.' }) }, { additionalProperties: true }),
          headers: ['ETag'],
        },
        304: { description: 'The caller already has the current document.', headers: ['ETag'] },
      },
      handler: openApiJson(deps, all),
    },
    'GET /livez': {
      access: 'public',
      polled: true,
      id: 'isAlive',
      summary: 'Check that this process is alive',
      answers: { 200: { description: 'The process is alive.', json: probeSchema } },
      // Faults outside this process do not count, because a restart would not fix them.
      handler: () => ({ status: 200, body: FINE }),
    },
    'GET /readyz': {
      access: 'public',
      polled: true,
      id: 'isReady',
      summary: 'Check that this process is ready',
      answers: {
        200: { description: 'The process is ready.', json: probeSchema },
        503: {
          description: 'Not ready: it is stopping, or Redis does not answer.',
          json: probeSchema,
          headers: ['Retry-After'],
        },
      },
      handler: async () => {
        const reasons = await notReady(deps, stopping);
        if (reasons.length === 0) return { status: 200, body: storage.known() === undefined ? FINE : WITHOUT_PICTURES };
        const body: Probe = { status: 'unavailable', reasons: [...reasons] };
        return { status: 503, headers: { 'Retry-After': '1' }, body };
      },
    },
    'GET /health': {
      access: 'admin',
      id: 'getHealth',
      summary: 'Read the health of Redis, queues, workers and instances',
      answers: {
        200: { description: '`ok`, or `degraded` with the reasons.', json: healthSchema },
        503: {
          description: '`down`: no job can be accepted.',
          json: healthSchema,
          headers: ['Retry-After'],
        },
      },
      handler: health(deps),
    },
  });
}

/** Says where the API is described, or redirects a browser to the studio. */
function index({ config }: Deps): Handler {
  const { publicUrl, studio } = config.http;
  const address = (path: string) => `${publicUrl ?? ''}${path}`;
  const body: ServiceIndex = {
    name: 'comfy-fleet',
    description: 'A durable job API in front of a fleet of ComfyUI GPUs',
    links: {
      docs: address('/docs'),
      openapi: address('/openapi.json'),
      ...(studio ? { studio: address('/studio/') } : {}),
    },
  };
  return ({ header }) => {
    const headers = { Vary: 'Accept' };
    if (!studio || !header('accept')?.includes('text/html')) return { status: 200, headers, body };
    // Relative, so that it also works behind a proxy that adds a path prefix.
    const location = publicUrl === undefined ? 'studio/' : address('/studio/');
    return { status: 302, headers: { ...headers, Location: location } };
  };
}

/** The reasons why this process cannot serve requests now; empty when it is ready. */
export async function notReady({ ledger, workflows }: Deps, stopping: AbortSignal): Promise<readonly string[]> {
  if (stopping.aborted) return ['this process is stopping'];
  return ledger.ping().then(
    () => (workflows.isRegistryRead ? [] : ['the published workflows have not been read yet']),
    () => ['Redis does not answer'],
  );
}
