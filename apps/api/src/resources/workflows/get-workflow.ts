import { changesQuerySchema, FleetError, graphQuerySchema, type WorkflowVersions } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { knownCaller, requireMayRun } from '../../server/caller.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { exactJson } from '../../workflows/exact-json.js';
import { findServed } from '../../workflows/find-served.js';
import { findVersion, versionsOf } from '../../workflows/find-version.js';
import type { Served } from '../../workflows/live-workflows.js';
import { presentChanges } from './present-changes.js';
import { presentPublished, presentWorkflow } from './present-workflow.js';

/** All that is known of a workflow. */
export function getWorkflow(deps: Deps): Handler {
  return async (request) => {
    const served = ownServed(deps.workflows, request);
    return exactJson(200, await presentWorkflow(deps, served, knownCaller(request.caller)));
  };
}

/** The versions of a workflow that are kept. */
export function getVersions({ workflows, ledger }: Deps): Handler {
  return async (request) => {
    const { name = '' } = request.params;
    const { workflow, source } = ownServed(workflows, request);
    const known = source === 'folder' ? undefined : (await ledger.workflows.list()).get(name);
    const body: WorkflowVersions = {
      data: known?.map((one) => ({ version: one.version, ...presentPublished(one) })) ?? [
        { version: workflow.version, ...presentPublished(undefined) },
      ],
    };
    return { status: 200, body };
  };
}

/** The graph as it was published, in the API format. */
export function getGraph(deps: Deps): Handler {
  const read = createQueryReader(graphQuerySchema);
  return async (request) => {
    const { workflow } = ownServed(deps.workflows, request);
    const { version } = read(request.query);
    return exactJson(200, (await findVersion(deps, workflow.name, version)).graph);
  };
}

/** All that a version consists of, as PUT takes it. */
export function getSource(deps: Deps): Handler {
  const read = createQueryReader(graphQuerySchema);
  return async (request) => {
    const { workflow } = ownServed(deps.workflows, request);
    const { version } = read(request.query);
    return { status: 200, body: (await findVersion(deps, workflow.name, version)).text };
  };
}

/** What one version does differently from another. */
export function getChanges(deps: Deps): Handler {
  const read = createQueryReader(changesQuerySchema);
  return async (request) => {
    const { name } = ownServed(deps.workflows, request).workflow;
    const asked = read(request.query);
    const after = await findVersion(deps, name, asked.to);
    const from = asked.from ?? (await versionBefore(deps, name, after.version));
    const before = await findVersion(deps, name, from);
    return exactJson(200, presentChanges(before, after, await catalogueFor(deps, after)));
  };
}

async function versionBefore(deps: Deps, name: string, version: string): Promise<string> {
  const known = await versionsOf(deps, name);
  const before = known[known.indexOf(version) + 1];
  if (known.includes(version) && before !== undefined) return before;
  throw new FleetError('workflow_not_found', `No version of ${name} is kept that is older than ${version}.`);
}

/** Throws workflow_not_found, and forbidden for one that the key may not run. */
function ownServed(workflows: Deps['workflows'], { params: { name = '' }, caller }: ApiRequest): Served {
  const served = findServed(workflows, name, knownCaller(caller));
  requireMayRun(knownCaller(caller), served.workflow);
  return served;
}
