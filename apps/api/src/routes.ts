import type { Deps } from './deps.js';
import { createDocs } from './docs/docs.js';
import { drainInstance, getAdmin, pauseFleet } from './handlers/admin.js';
import { deleteAsset, getAsset, getAssetContent, listAssets, postAsset } from './handlers/assets.js';
import { batch } from './handlers/batch.js';
import { cancelJob } from './handlers/cancel-job.js';
import { deleteWorkflow, putWorkflow } from './handlers/change-workflow.js';
import { deleteJob } from './handlers/delete-job.js';
import { fleet } from './handlers/fleet.js';
import { fleetAlerts } from './handlers/fleet-alerts.js';
import { fleetHistory, fleetTimeline } from './handlers/fleet-past.js';
import { generate } from './handlers/generate.js';
import { getFile } from './handlers/get-file.js';
import { getImage } from './handlers/get-image.js';
import { getJob } from './handlers/get-job.js';
import { getKeyUsage, getUsage } from './handlers/get-usage.js';
import { getChanges, getGraph, getSource, getVersions, getWorkflow } from './handlers/get-workflow.js';
import { health } from './handlers/health.js';
import { img2img } from './handlers/img2img.js';
import { index } from './handlers/index-page.js';
import { jobEvents } from './handlers/job-events.js';
import { listJobs } from './handlers/list-jobs.js';
import { listKeyUsage } from './handlers/list-key-usage.js';
import { listKeys } from './handlers/list-keys.js';
import { listWorkflows } from './handlers/list-workflows.js';
import { lods } from './handlers/lods.js';
import { me } from './handlers/me.js';
import { livez, readyz } from './handlers/probes.js';
import { refineJob } from './handlers/refine-job.js';
import { retryJob } from './handlers/retry-job.js';
import { runGraph } from './handlers/run-graph.js';
import { runWorkflow } from './handlers/run-workflow.js';
import { getWebhooks, redeliverWebhook } from './handlers/webhooks.js';
import type { Route } from './http/messages.js';
import { openApiJson } from './openapi/openapi-json.js';

export function routes(deps: Deps): Route[] {
  const docs = createDocs();
  const table: Route[] = [
    // The first that matches serves: what is asked most stands in front, and batch before what takes it for an id.
    { method: 'POST', path: '/jobs/batch', access: 'jobs', handler: batch(deps), body: 'json' },
    { method: 'GET', path: '/jobs/:id', access: 'jobs', handler: getJob(deps), polled: true },
    { method: 'DELETE', path: '/jobs/:id', access: 'jobs', handler: deleteJob(deps) },
    { method: 'GET', path: '/', access: 'public', handler: index(deps) },
    { method: 'POST', path: '/generate', access: 'jobs', handler: generate(deps), body: 'json' },
    { method: 'POST', path: '/img2img', access: 'jobs', handler: img2img(deps), body: 'picture' },
    { method: 'GET', path: '/jobs', access: 'jobs', handler: listJobs(deps) },
    { method: 'POST', path: '/jobs/:id/cancel', access: 'jobs', handler: cancelJob(deps) },
    { method: 'POST', path: '/jobs/:id/retry', access: 'jobs', handler: retryJob(deps) },
    { method: 'POST', path: '/jobs/:id/refine', access: 'jobs', handler: refineJob(deps), body: 'json' },
    { method: 'GET', path: '/jobs/:id/events', access: 'linked', handler: jobEvents(deps) },
    { method: 'GET', path: '/jobs/:id/webhooks', access: 'jobs', handler: getWebhooks(deps) },
    { method: 'POST', path: '/jobs/:id/webhooks/redeliver', access: 'jobs', handler: redeliverWebhook(deps) },
    { method: 'GET', path: '/images/:filename', access: 'linked', handler: getImage(deps) },
    { method: 'GET', path: '/files/:filename', access: 'linked', handler: getFile(deps) },
    { method: 'POST', path: '/assets', access: 'jobs', handler: postAsset(deps), body: 'file' },
    { method: 'GET', path: '/assets', access: 'jobs', handler: listAssets(deps) },
    { method: 'GET', path: '/assets/:asset', access: 'jobs', handler: getAsset(deps) },
    { method: 'GET', path: '/assets/:asset/content', access: 'jobs', handler: getAssetContent(deps) },
    { method: 'DELETE', path: '/assets/:asset', access: 'jobs', handler: deleteAsset(deps) },
    { method: 'GET', path: '/workflows', access: 'jobs', handler: listWorkflows(deps) },
    { method: 'GET', path: '/workflows/:name', access: 'jobs', handler: getWorkflow(deps) },
    { method: 'POST', path: '/workflows/:name', access: 'jobs', handler: runWorkflow(deps), body: 'files' },
    { method: 'POST', path: '/graphs', access: 'graphs', handler: runGraph(deps), body: 'exact' },
    { method: 'PUT', path: '/workflows/:name', access: 'admin', handler: putWorkflow(deps), body: 'workflow' },
    { method: 'DELETE', path: '/workflows/:name', access: 'admin', handler: deleteWorkflow(deps) },
    { method: 'GET', path: '/workflows/:name/versions', access: 'jobs', handler: getVersions(deps) },
    { method: 'GET', path: '/workflows/:name/graph', access: 'jobs', handler: getGraph(deps) },
    { method: 'GET', path: '/workflows/:name/source', access: 'jobs', handler: getSource(deps) },
    { method: 'GET', path: '/workflows/:name/changes', access: 'jobs', handler: getChanges(deps) },
    { method: 'GET', path: '/me', access: 'known', handler: me },
    { method: 'GET', path: '/usage', access: 'jobs', handler: getUsage(deps) },
    { method: 'GET', path: '/usage/keys', access: 'admin', handler: listKeyUsage(deps) },
    { method: 'GET', path: '/usage/keys/:key', access: 'admin', handler: getKeyUsage(deps) },
    { method: 'GET', path: '/keys', access: 'admin', handler: listKeys(deps) },
    { method: 'GET', path: '/lods', access: 'jobs', handler: lods(deps) },
    { method: 'GET', path: '/fleet', access: 'admin', handler: fleet(deps) },
    { method: 'GET', path: '/fleet/timeline', access: 'admin', handler: fleetTimeline(deps) },
    { method: 'GET', path: '/fleet/history', access: 'admin', handler: fleetHistory(deps) },
    { method: 'GET', path: '/fleet/alerts', access: 'admin', handler: fleetAlerts(deps) },
    { method: 'GET', path: '/health', access: 'admin', handler: health(deps) },
    { method: 'GET', path: '/admin', access: 'admin', handler: getAdmin(deps) },
    { method: 'POST', path: '/admin/pause', access: 'admin', handler: pauseFleet(deps, 'pause') },
    { method: 'POST', path: '/admin/resume', access: 'admin', handler: pauseFleet(deps, 'resume') },
    ...(['/admin/instances/:worker/:n', '/admin/instances/:instance'] as const).flatMap((path): Route[] => [
      { method: 'POST', path: `${path}/drain`, access: 'admin', handler: drainInstance(deps, 'drain') },
      { method: 'POST', path: `${path}/resume`, access: 'admin', handler: drainInstance(deps, 'resume') },
    ]),
    { method: 'GET', path: '/openapi.json', access: 'optional', handler: openApiJson(deps, () => table) },
    { method: 'GET', path: '/docs', access: 'public', handler: docs.page },
    { method: 'GET', path: '/docs/:file', access: 'public', handler: docs.file },
    { method: 'GET', path: '/livez', access: 'public', handler: livez, polled: true },
    { method: 'GET', path: '/readyz', access: 'public', handler: readyz(deps), polled: true },
  ];
  return table;
}
