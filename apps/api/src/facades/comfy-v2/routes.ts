import type { Deps } from '../../deps.js';
import type { ApiRequest, Handler, Route } from '../../server/messages.js';
import { assetByHash, assetFromHash, deleteAsset, getAsset, getAssetContent, postAsset } from './assets.js';
import { jobEvents } from './events.js';
import { cancelJob, getJob, getJobWorkflow, postJob } from './jobs.js';

const JOBS = '/api/v2/jobs';
const ASSETS = '/api/v2/assets';

/** The Comfy API v2 (its specification 2.0.0). */
export function comfyV2Routes(deps: Deps): Route[] {
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
