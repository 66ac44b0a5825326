import { fleetStatusSchema, healthSchema, probeSchema, serviceIndexSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { AnswerDoc, OperationDocs } from '../operation.js';
import type { HeaderUse } from '../response-headers.js';

const FILE: HeaderUse = { ETag: 'always', 'Cache-Control': 'always' };
const PAGE: HeaderUse = { ...FILE, 'Content-Security-Policy': 'always' };
const KNOWN: AnswerDoc = { description: 'The caller has it already.', headers: FILE };
const UNAVAILABLE = { 'Retry-After': 'always' } as const;

/** The routes for people, machines and operators around the jobs. */
export function serviceDocs(): OperationDocs {
  return {
    'GET /': {
      id: 'getIndex',
      tag: 'operation',
      summary: 'List the addresses of the API',
      answers: {
        200: { description: 'Addresses.', content: { 'application/json': serviceIndexSchema } },
        302: { description: 'To the studio, for browsers.', headers: { Location: 'always' } },
      },
    },
    'GET /openapi.json': {
      id: 'getOpenApi',
      tag: 'operation',
      summary: 'This document',
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
    'GET /docs': {
      id: 'getDocs',
      tag: 'operation',
      summary: 'This document as a page',
      headers: ['If-None-Match'],
      answers: {
        200: { description: 'The page.', content: { 'text/html': Type.String() }, headers: PAGE },
        304: KNOWN,
      },
    },
    'GET /docs/:file': {
      id: 'getDocsFile',
      tag: 'operation',
      summary: 'A file that the page needs',
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
    'GET /livez': {
      id: 'isAlive',
      tag: 'operation',
      summary: 'Check that this process is alive',
      answers: { 200: { description: 'It is alive.', content: { 'application/json': probeSchema } } },
    },
    'GET /readyz': {
      id: 'isReady',
      tag: 'operation',
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
    'GET /health': {
      id: 'getHealth',
      tag: 'operation',
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
    'GET /fleet': {
      id: 'getFleet',
      tag: 'operation',
      summary: 'Pools, workers, instances and shares of GPU time as they are now',
      answers: { 200: { description: 'The fleet.', content: { 'application/json': fleetStatusSchema } } },
      errors: ['queue_unavailable'],
    },
  };
}
