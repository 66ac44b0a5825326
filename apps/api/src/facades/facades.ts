import type { RequestListener } from 'node:http';
import type { Deps } from '../deps.js';
import { type ApiRequest, type Handler, type Route, type RouteTable, routesOf } from '../server/messages.js';
import type { Dialect } from '../server/problems.js';
import type { SocketRoute } from '../server/sockets.js';
import { assetRoutes } from './comfy-v2/assets.js';
import { comfyV2Dialect } from './comfy-v2/dialect.js';
import { jobEvents } from './comfy-v2/events.js';
import { cancelJob, getJob, getJobWorkflow, postJob } from './comfy-v2/jobs.js';
import { comfyuiFacade } from './comfyui/routes.js';
import { openaiDialect } from './openai/dialect.js';
import { makeImages } from './openai/make-images.js';
import { getModel, listModels } from './openai/models.js';

/** An API of another project that creates the same jobs. Its paths begin with the prefix of its dialect. */
export interface Facade {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  readonly sockets?: readonly SocketRoute[];
  /** Normalizes the path of a request, and removes keys from it before anything logs it. */
  readonly arriving?: (request: Parameters<RequestListener>[0]) => void;
}

/** The facades that the settings enable. */
export function facades(deps: Deps): Facade[] {
  const { apis } = deps.config.compat;
  const all: Facade[] = [];
  if (apis.includes('comfyui')) all.push(comfyuiFacade(deps));
  const below = (dialect: Dialect, table: RouteTable) => ({ dialect, routes: routesOf(table, {}, dialect.prefix) });
  if (apis.includes('comfy-v2')) all.push(below(comfyV2Dialect, comfyV2Routes(deps)));
  if (apis.includes('openai')) all.push(below(openaiDialect, openaiRoutes(deps)));
  return all;
}

/** The Comfy API v2, version 2.0.0 of its specification. */
function comfyV2Routes(deps: Deps): RouteTable {
  const by =
    (answer: (deps: Deps, request: ApiRequest) => ReturnType<Handler>): Handler =>
    (request) =>
      answer(deps, request);
  const seen = { access: 'jobs' } as const;
  return {
    'POST /jobs': { access: 'graphs', reads: 'graph', handler: by(postJob) },
    'GET /jobs/:id': { ...seen, polled: true, handler: by(getJob) },
    'GET /jobs/:id/workflow': { ...seen, handler: by(getJobWorkflow) },
    'GET /jobs/:id/events': { ...seen, handler: by(jobEvents) },
    'POST /jobs/:id/cancel': { ...seen, handler: by(cancelJob) },
    ...assetRoutes(deps),
  };
}

/** OpenAI's images API. Its models are our workflows. */
function openaiRoutes(deps: Deps): RouteTable {
  const images = { access: 'jobs', held: true } as const;
  return {
    'POST /images/generations': { ...images, reads: 'json', handler: makeImages(deps, 'generations') },
    'POST /images/edits': { ...images, reads: 'pictures', handler: makeImages(deps, 'edits') },
    'GET /models': { access: 'jobs', handler: (request) => listModels(deps, request) },
    'GET /models/:id': { access: 'jobs', handler: (request) => getModel(deps, request) },
  };
}
