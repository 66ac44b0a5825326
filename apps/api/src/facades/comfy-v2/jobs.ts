import { randomUUID } from 'node:crypto';
import { filesOf } from '@comfy-fleet/contracts';
import { bindGraph, GRAPH } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { jobNotFound, ownJob } from '../../files/own-job.js';
import { submitJobs } from '../../orders/submit-jobs.js';
import { workflowOf } from '../../orders/workflow-of.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { exactJson } from '../../workflows/exact-json.js';
import { graphOrder } from './graph-order.js';
import { linksFor } from './links.js';
import { readOrderBody } from './order-body.js';
import { asSent } from './origin.js';
import { presentJob } from './present-job.js';

/** POST /api/v2/jobs. An Idempotency-Key is good for one job, and never answered with that job again. */
export function postJob(deps: Deps): Handler {
  return async (request) => {
    const body = readOrderBody(request.body);
    // What is like no other request is never the same as the one that had the key.
    const { only } = await submitJobs(deps, request, randomUUID(), async () => [
      await graphOrder(deps, body, knownCaller(request.caller)),
    ]);
    if (only === undefined) throw new Error('a job was accepted that is not there');
    const links = await linksFor(deps, request);
    const { id } = only.record;
    const headers = { Location: links.api(`/api/v2/jobs/${id}`) };
    return { status: 201, headers, body: presentJob(deps, only, links), job: id };
  };
}

/** GET /api/v2/jobs/{id} */
export function getJob(deps: Deps): Handler {
  return async (request) => {
    const snapshot = await ownJob(deps, request.params.id, request.caller);
    return { status: 200, body: presentJob(deps, snapshot, await linksFor(deps, request)) };
  };
}

/** POST /api/v2/jobs/{id}/cancel. A job that has ended stays as it is. */
export function cancelJob(deps: Deps): Handler {
  return async (request) => {
    const { record } = await ownJob(deps, request.params.id, request.caller);
    const snapshot = await deps.ledger.jobs.cancel(record.id);
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: presentJob(deps, snapshot, await linksFor(deps, request)) };
  };
}

/** GET /api/v2/jobs/{id}/workflow: the graph as it was sent; of a job that was ordered otherwise, as it runs. */
export function getJobWorkflow(deps: Deps): Handler {
  return async ({ params, caller }) => {
    const { record } = await ownJob(deps, params.id, caller);
    const { id, request, hasOrigin } = record;
    const opened = await workflowOf(deps, request);
    const origin = hasOrigin ? await deps.ledger.jobs.origin(id) : undefined;
    const files = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
    const workflow =
      request.workflow === GRAPH && origin !== undefined
        ? asSent(opened, origin)
        : bindGraph(opened, request, { files });
    return exactJson(200, { workflow, format: 'api' });
  };
}
