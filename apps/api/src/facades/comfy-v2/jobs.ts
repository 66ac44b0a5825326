import { randomUUID } from 'node:crypto';
import { FleetError, filesOf, knownName, MAX_COMFY_KEY_CHARS } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import { bindGraph, GRAPH, showJson, showMarked } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { jobNotFound, ownJob } from '../../files/ownership.js';
import { workflowOf } from '../../orders/job-specs.js';
import { submitJobs } from '../../orders/submit-jobs.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { readGraphSource, readOrigin } from '../graphs.js';
import { ComfyV2Error, invalidWorkflow } from './dialect.js';
import { graphOrder, type OrderBody } from './graph-order.js';
import { linksFor, presentJob } from './present.js';

/** Refuses an Idempotency-Key that was used before, even if the requests are identical. */
export async function postJob(deps: Deps, request: ApiRequest): Promise<Reply> {
  const body = readOrderBody(request.body);
  // A random value differs from that of every earlier request, so a reused key is always refused.
  const { only } = await submitJobs(deps, request, randomUUID(), async () => [
    await graphOrder(deps, body, request.caller),
  ]);
  if (only === undefined) throw new Error('an accepted job does not exist');
  const links = await linksFor(deps, request);
  const { id } = only.record;
  const headers = { Location: links.api(`/api/v2/jobs/${id}`) };
  return { status: 201, headers, body: presentJob(deps, only, links), job: id };
}

const COMFY_KEY = 'api_key_comfy_org';
/** The specification reserves these for later versions. */
const RESERVED = ['webhook_url', 'inputs'];
/** Fields that show that a workflow has the format of ComfyUI's editor. */
const OF_EDITOR = ['nodes', 'links'];

/** Ignores unknown fields, except in `extra_data`, where the specification forbids them. */
function readOrderBody(body: unknown): OrderBody {
  if (!isRecord(body)) throw new FleetError('malformed_request', 'The body must be an object with a workflow.');
  const reserved = RESERVED.find((field) => Object.hasOwn(body, field));
  if (reserved !== undefined) throw invalidWorkflow(`${reserved} is reserved for a later version; leave it out.`);
  const comfyKey = comfyKeyOf(body.extra_data ?? {});
  const { workflow } = body;
  if (!isRecord(workflow)) throw invalidWorkflow('workflow is required: a graph in the API format of ComfyUI.');
  if (OF_EDITOR.every((field) => Array.isArray(workflow[field]))) {
    const detail = 'This is the format of ComfyUI’s editor. Choose Workflow → Export (API) there, and send that.';
    throw new ComfyV2Error('validation_failed', 'workflow_format_ui', detail);
  }
  return { workflow, comfyKey };
}

function comfyKeyOf(extra: unknown): string | undefined {
  if (isRecord(extra) && Object.keys(extra).every((field) => field === COMFY_KEY)) {
    const key = extra[COMFY_KEY] ?? '';
    if (typeof key === 'string' && key.length <= MAX_COMFY_KEY_CHARS) return key || undefined;
  }
  const detail = `extra_data takes only ${COMFY_KEY}, a string of at most ${MAX_COMFY_KEY_CHARS} characters.`;
  throw new FleetError('malformed_request', detail);
}

export async function getJob(deps: Deps, request: ApiRequest): Promise<Reply> {
  const snapshot = await ownJob(deps, request.params.id, request.caller);
  return { status: 200, body: presentJob(deps, snapshot, await linksFor(deps, request)) };
}

/** Does nothing to a job that has ended. */
export async function cancelJob(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { record } = await ownJob(deps, request.params.id, request.caller);
  const snapshot = await deps.ledger.jobs.cancel(record.id);
  if (snapshot === undefined) throw jobNotFound();
  return { status: 200, body: presentJob(deps, snapshot, await linksFor(deps, request)) };
}

/** The graph as it was sent, or the graph that runs if the request named a workflow instead. In turns of the key. */
export async function getJobWorkflow(deps: Deps, { params, caller }: ApiRequest): Promise<Reply> {
  const { record } = await ownJob(deps, params.id, caller);
  return deps.graphReads(caller.id, async () => {
    const write = await graphWriter(deps, record);
    const workflow = await deps.computing(caller.id, write);
    return { status: 200, body: `{"workflow":${workflow},"format":"api"}` };
  });
}

/** Reads what is needed for the graph of a job. Resolves to a function that writes it as JSON. */
async function graphWriter(deps: Deps, record: JobRecord): Promise<() => string> {
  const { id, request, hasOrigin } = record;
  const { jobs } = deps.ledger;
  const wasSent = request.workflow === GRAPH && hasOrigin;
  const origin = wasSent ? await jobs.origin(id) : undefined;
  const source = origin && (await jobs.source(record));
  if (source) return () => showMarked(readGraphSource(source, readOrigin(origin)).graph);
  const files = new Map(filesOf(request).map(([input, file]) => [input, knownName(file)]));
  const workflow = await workflowOf(deps, record);
  return () => showJson(bindGraph(workflow, { ...request, bounds: {} }, { files }));
}
