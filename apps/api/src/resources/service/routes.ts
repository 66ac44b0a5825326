import type { Probe } from '@comfy-fleet/contracts';
import { fleetStatusSchema, healthSchema, probeSchema, serviceIndexSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { AnswerDoc, ApiRoute } from '../../openapi/operation.js';
import type { HeaderUse } from '../../openapi/response-headers.js';
import type { Handler, Reply } from '../../server/messages.js';
import { OPERATION } from '../fleet/admin-routes.js';
import { fleet } from '../fleet/fleet.js';
import { createDocs } from './docs/docs.js';
import { health } from './health.js';
import { index } from './index-page.js';
import { notReady } from './not-ready.js';
import { openApiJson } from './openapi-json.js';

const FINE: Probe = { status: 'ok', reasons: [] };
const WITHOUT_PICTURES: Probe = {
  status: 'ok',
  reasons: ['Pictures cannot be stored or read at the moment; GET /health says why'],
};

const FILE: HeaderUse = { ETag: 'always', 'Cache-Control': 'always' };
const PAGE: HeaderUse = { ...FILE, 'Content-Security-Policy': 'always' };
const KNOWN: AnswerDoc = { description: 'The caller has it already.', headers: FILE };
const UNAVAILABLE = { 'Retry-After': 'always' } as const;

/** The routes for people, machines and operators around the jobs. */
export function serviceRoutes(deps: Deps, all: () => readonly ApiRoute[]): ApiRoute[] {
  const docs = createDocs();
  return [
    {
      method: 'GET',
      path: '/',
      access: 'public',
      handler: index(deps),
      id: 'getIndex',
      tag: OPERATION,
      summary: 'List the addresses of the API',
      answers: {
        200: { description: 'Addresses.', content: { 'application/json': serviceIndexSchema } },
        302: { description: 'To the studio, for browsers.', headers: { Location: 'always' } },
      },
    },
    {
      method: 'GET',
      path: '/openapi.json',
      access: 'optional',
      handler: openApiJson(deps, all),
      id: 'getOpenApi',
      tag: OPERATION,
      summary: 'This API as an OpenAPI document',
      description: 'With the workflows that your API key may run; without a key, where there are keys, with none.',
      headers: ['If-None-Match'],
      answers: {
        200: {
          description: 'OpenAPI 3.1.',
          content: {
            'application/json': Type.Object(
              { openapi: Type.String({ pattern: '^3\\.1\\.' }) },
              { additionalProperties: true },
            ),
          },
          headers: { ...FILE, 'Content-Length': 'always' },
        },
        304: KNOWN,
      },
    },
    {
      method: 'GET',
      path: '/docs',
      access: 'public',
      handler: docs.page,
      id: 'getDocs',
      tag: OPERATION,
      summary: 'Documentation of this API as a page',
      headers: ['If-None-Match'],
      answers: {
        200: { description: 'The page.', content: { 'text/html': Type.String() }, headers: PAGE },
        304: KNOWN,
      },
    },
    {
      method: 'GET',
      path: '/docs/:file',
      params: { file: Type.String({ description: 'One of the files of the page.' }) },
      access: 'public',
      handler: docs.file,
      id: 'getDocsFile',
      tag: OPERATION,
      summary: 'A file of the documentation page',
      headers: ['If-None-Match'],
      answers: {
        200: {
          description: 'The file.',
          content: { 'text/javascript': 'bytes', 'text/css': 'bytes', 'text/html': 'bytes', 'image/png': 'bytes' },
          headers: PAGE,
        },
        304: KNOWN,
      },
      errors: ['not_found'],
    },
    {
      method: 'GET',
      path: '/livez',
      access: 'public',
      polled: true,
      handler: livez,
      id: 'isAlive',
      tag: OPERATION,
      summary: 'Check that this process is alive',
      answers: { 200: { description: 'It is alive.', content: { 'application/json': probeSchema } } },
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'public',
      polled: true,
      handler: readyz(deps),
      id: 'isReady',
      tag: OPERATION,
      summary: 'Check that this process is ready',
      answers: {
        200: { description: 'It is ready.', content: { 'application/json': probeSchema } },
        503: {
          description: 'Not ready: it is stopping, or Redis does not answer.',
          content: { 'application/json': probeSchema },
          headers: UNAVAILABLE,
        },
      },
    },
    {
      method: 'GET',
      path: '/health',
      access: 'admin',
      handler: health(deps),
      id: 'getHealth',
      tag: OPERATION,
      summary: 'Health of Redis, queues, workers and instances',
      answers: {
        200: { description: '`ok`, or `degraded` with the reasons.', content: { 'application/json': healthSchema } },
        503: {
          description: '`down`: no job can be accepted.',
          content: { 'application/json': healthSchema },
          headers: UNAVAILABLE,
        },
      },
    },
    {
      method: 'GET',
      path: '/fleet',
      access: 'admin',
      handler: fleet(deps),
      id: 'getFleet',
      tag: OPERATION,
      summary: 'Pools, workers, instances and shares of GPU time as they are now',
      answers: { 200: { description: 'The fleet.', content: { 'application/json': fleetStatusSchema } } },
      errors: ['queue_unavailable'],
    },
  ];
}

/** 200 as long as the process turns, whatever is wrong around it: a restart would fix none of that. */
const livez: Handler = () => ({ status: 200, body: FINE });

/** 200 while this process can do its work, which it can without pictures, but says so. */
function readyz(deps: Deps): Handler {
  const { storage, stopping } = deps;
  return async (): Promise<Reply> => {
    const reasons = await notReady(deps, stopping);
    if (reasons.length === 0) return { status: 200, body: storage.known() === undefined ? FINE : WITHOUT_PICTURES };
    const body: Probe = { status: 'unavailable', reasons: [...reasons] };
    return { status: 503, headers: { 'Retry-After': '1' }, body };
  };
}
