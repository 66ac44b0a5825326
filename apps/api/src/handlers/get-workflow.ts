import { FleetError, graphQuerySchema, type WorkflowVersions } from '@comfy-fleet/contracts';
import { openWorkflow } from '@comfy-fleet/workflows';
import { knownCaller } from '../access/caller.js';
import { requireMayRun } from '../access/rights.js';
import type { Deps } from '../deps.js';
import type { ApiRequest, Handler } from '../http/messages.js';
import { createQueryReader } from '../requests/query-reader.js';
import { exactJson } from '../workflows/exact-json.js';
import { findServed } from '../workflows/find-served.js';
import type { Served } from '../workflows/live-workflows.js';
import { presentWorkflow } from '../workflows/present-workflow.js';

/** All that is known of a workflow. */
export function getWorkflow(deps: Deps): Handler {
  return async (request) => exactJson(200, await presentWorkflow(deps, ownServed(deps.workflows, request)));
}

/** The versions of a workflow that are kept. */
export function getVersions({ workflows, ledger }: Deps): Handler {
  return async (request) => {
    const { name = '' } = request.params;
    const { workflow, source } = ownServed(workflows, request);
    const known = source === 'folder' ? undefined : (await ledger.workflows.list()).get(name);
    const body: WorkflowVersions = {
      data: known?.map(({ version, at, by }) => ({
        version,
        published_at: new Date(at).toISOString(),
        published_by: by,
      })) ?? [{ version: workflow.version, published_at: null, published_by: null }],
    };
    return { status: 200, body };
  };
}

/** The graph as it was published, in the API format. */
export function getGraph({ workflows, ledger }: Deps): Handler {
  const read = createQueryReader(graphQuerySchema);
  return async (request) => {
    const { name = '' } = request.params;
    const { workflow } = ownServed(workflows, request);
    const { version = workflow.version } = read(request.query);
    if (version === workflow.version) return exactJson(200, workflow.graph);
    const known = (await ledger.workflows.list()).get(name)?.some((one) => one.version === version);
    const text = known ? await ledger.workflows.source(version) : undefined;
    if (text !== undefined) return exactJson(200, openWorkflow(name, text).graph);
    const detail = `${name} has no such version; GET /workflows/${name}/versions lists those that are kept.`;
    throw new FleetError('workflow_not_found', detail);
  };
}

/** Throws workflow_not_found, and forbidden for one that the key may not run. */
function ownServed(workflows: Deps['workflows'], { params: { name = '' }, caller }: ApiRequest): Served {
  const served = findServed(workflows, name);
  requireMayRun(knownCaller(caller), served.workflow);
  return served;
}
