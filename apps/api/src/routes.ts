import type { Deps } from './deps.js';
import { deleteAsset, getAsset, getAssetContent, listAssets, postAsset } from './resources/assets/assets.js';
import { drainInstance, getAdmin, pauseFleet } from './resources/fleet/admin.js';
import { fleet } from './resources/fleet/fleet.js';
import { fleetAlerts } from './resources/fleet/fleet-alerts.js';
import { fleetHistory, fleetTimeline } from './resources/fleet/fleet-past.js';
import { getFile } from './resources/images/get-file.js';
import { getImage } from './resources/images/get-image.js';
import { batch } from './resources/jobs/batch.js';
import { cancelJob } from './resources/jobs/cancel-job.js';
import { deleteJob } from './resources/jobs/delete-job.js';
import { generate } from './resources/jobs/generate.js';
import { getJob } from './resources/jobs/get-job.js';
import { img2img } from './resources/jobs/img2img.js';
import { jobEvents } from './resources/jobs/job-events.js';
import { listJobs } from './resources/jobs/list-jobs.js';
import { refineJob } from './resources/jobs/refine-job.js';
import { retryJob } from './resources/jobs/retry-job.js';
import { listKeys } from './resources/keys/list-keys.js';
import { me } from './resources/keys/me.js';
import { createDocs } from './resources/service/docs/docs.js';
import { health } from './resources/service/health.js';
import { index } from './resources/service/index-page.js';
import { lods } from './resources/service/lods.js';
import { openApiJson } from './resources/service/openapi/openapi-json.js';
import { livez, readyz } from './resources/service/probes.js';
import { getKeyUsage, getUsage } from './resources/usage/get-usage.js';
import { listKeyUsage } from './resources/usage/list-key-usage.js';
import { getWebhooks, redeliverWebhook } from './resources/webhooks/webhooks.js';
import { deleteWorkflow, putWorkflow } from './resources/workflows/change-workflow.js';
import { getChanges, getGraph, getSource, getVersions, getWorkflow } from './resources/workflows/get-workflow.js';
import { listWorkflows } from './resources/workflows/list-workflows.js';
import { runGraph } from './resources/workflows/run-graph.js';
import { runWorkflow } from './resources/workflows/run-workflow.js';
import type { Route } from './server/messages.js';

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
