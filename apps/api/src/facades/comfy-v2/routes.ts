import type { Deps } from '../../deps.js';
import type { Route } from '../../server/messages.js';
import { deleteAsset, getAsset, getAssetContent } from './assets.js';
import { jobEvents } from './events.js';
import { cancelJob, getJob, getJobWorkflow, postJob } from './jobs.js';
import { assetByHash, assetFromHash, postAsset } from './post-assets.js';

const JOBS = '/api/v2/jobs';
const ASSETS = '/api/v2/assets';

/** The Comfy API v2 (its specification 2.0.0). */
export function comfyV2Routes(deps: Deps): Route[] {
  return [
    { method: 'POST', path: JOBS, access: 'graphs', handler: postJob(deps), reads: 'exact' },
    { method: 'GET', path: `${JOBS}/:id`, access: 'jobs', handler: getJob(deps), polled: true },
    { method: 'GET', path: `${JOBS}/:id/workflow`, access: 'jobs', handler: getJobWorkflow(deps) },
    { method: 'GET', path: `${JOBS}/:id/events`, access: 'jobs', handler: jobEvents(deps) },
    { method: 'POST', path: `${JOBS}/:id/cancel`, access: 'jobs', handler: cancelJob(deps) },
    { method: 'POST', path: ASSETS, access: 'jobs', handler: postAsset(deps), reads: 'announced' },
    { method: 'POST', path: `${ASSETS}/from-hash`, access: 'jobs', handler: assetFromHash(deps), reads: 'json' },
    { method: 'GET', path: `${ASSETS}/by-hash/:hash`, access: 'jobs', handler: assetByHash(deps) },
    { method: 'GET', path: `${ASSETS}/:asset`, access: 'jobs', handler: getAsset(deps) },
    { method: 'DELETE', path: `${ASSETS}/:asset`, access: 'jobs', handler: deleteAsset(deps) },
    { method: 'GET', path: `${ASSETS}/:asset/content`, access: 'linked', handler: getAssetContent(deps) },
  ];
}
