import type { RequestListener } from 'node:http';
import type { Deps } from '../deps.js';
import type { ApiRequest, Handler, Route } from '../server/messages.js';
import type { Dialect } from '../server/problems.js';
import type { SocketRoute } from '../server/sockets.js';
import { assetByHash, assetFromHash, deleteAsset, getAsset, getAssetContent, postAsset } from './comfy-v2/assets.js';
import { comfyV2Dialect } from './comfy-v2/dialect.js';
import { jobEvents } from './comfy-v2/events.js';
import { cancelJob, getJob, getJobWorkflow, postJob } from './comfy-v2/jobs.js';
import { comfyuiFacade } from './comfyui/routes.js';
import { openaiDialect } from './openai/dialect.js';
import { makeImages } from './openai/make-images.js';
import { getModel, listModels } from './openai/models.js';

/** Another project's API over the same orders: everything below the prefix of its dialect. */
export interface Facade {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  readonly sockets?: readonly SocketRoute[];
  /** Normalises the path of a request and takes keys out of it before anything logs it. */
  readonly arriving?: (request: Parameters<RequestListener>[0]) => void;
}

/** The facades that are switched on. */
export function facades(deps: Deps): Facade[] {
  const { comfyui, comfyV2, openai } = deps.config.compat;
  const all: Facade[] = [];
  if (comfyui) all.push(comfyuiFacade(deps));
  if (comfyV2) all.push({ dialect: comfyV2Dialect, routes: comfyV2Routes(deps) });
  if (openai) all.push({ dialect: openaiDialect, routes: openaiRoutes(deps) });
  return all;
}

const JOBS = '/api/v2/jobs';
const ASSETS = '/api/v2/assets';

/** The Comfy API v2 (its specification 2.0.0). */
function comfyV2Routes(deps: Deps): Route[] {
  const by =
    (answer: (deps: Deps, request: ApiRequest) => ReturnType<Handler>): Handler =>
    (request) =>
      answer(deps, request);
  return [
    { method: 'POST', path: JOBS, access: 'graphs', handler: by(postJob), reads: 'exact' },
    { method: 'GET', path: `${JOBS}/:id`, access: 'jobs', handler: by(getJob), polled: true },
    { method: 'GET', path: `${JOBS}/:id/workflow`, access: 'jobs', handler: by(getJobWorkflow) },
    { method: 'GET', path: `${JOBS}/:id/events`, access: 'jobs', handler: by(jobEvents) },
    { method: 'POST', path: `${JOBS}/:id/cancel`, access: 'jobs', handler: by(cancelJob) },
    { method: 'POST', path: ASSETS, access: 'jobs', handler: by(postAsset), reads: 'announced' },
    { method: 'POST', path: `${ASSETS}/from-hash`, access: 'jobs', handler: by(assetFromHash), reads: 'json' },
    { method: 'GET', path: `${ASSETS}/by-hash/:hash`, access: 'jobs', handler: by(assetByHash) },
    { method: 'GET', path: `${ASSETS}/:asset`, access: 'jobs', handler: by(getAsset) },
    { method: 'DELETE', path: `${ASSETS}/:asset`, access: 'jobs', handler: by(deleteAsset) },
    { method: 'GET', path: `${ASSETS}/:asset/content`, access: 'linked', handler: by(getAssetContent) },
  ];
}

/** OpenAI's images API: pictures of prompts and of pictures, and the workflows as models. */
function openaiRoutes(deps: Deps): Route[] {
  const images = { method: 'POST', access: 'jobs', held: true } as const;
  const pictures = { ...images, reads: 'pictures' } as const;
  const generations = makeImages(deps, 'generations');
  return [
    { ...images, path: '/v1/images/generations', handler: generations, reads: 'json', converts: true },
    { ...pictures, path: '/v1/images/edits', handler: makeImages(deps, 'edits') },
    { ...pictures, path: '/v1/images/variations', handler: makeImages(deps, 'variations') },
    { method: 'GET', path: '/v1/models', access: 'jobs', handler: (request) => listModels(deps, request) },
    { method: 'GET', path: '/v1/models/:id', access: 'jobs', handler: (request) => getModel(deps, request) },
  ];
}
