import { FleetError, WORKFLOW_NAME_PATTERN } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  openWorkflow,
  poolsOf,
  suggest,
  unionOf,
  type Workflow,
  WorkflowError,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { ModelUser } from '../models/offers.js';
import { type Caller, mayRun } from '../server/gate.js';
import type { LiveWorkflows, Served } from './live-workflows.js';

const REGISTRY_UNREAD = 'The service has not read the published workflows yet. Nothing was lost; try again shortly.';
const NAME = new RegExp(WORKFLOW_NAME_PATTERN);

/**
 * Finds the workflow that is served under this name. The error suggests only names that the caller may run. Throws
 * workflow_not_found, and queue_unavailable until the published workflows have been read.
 */
export function findServed(
  workflows: Pick<LiveWorkflows, 'served' | 'isRegistryRead'>,
  name: string,
  caller: Pick<Caller, 'workflows'> = { workflows: undefined },
): Served {
  requireRegistry(workflows);
  const { served } = workflows;
  const found = served.get(name);
  if (found !== undefined) return found;
  const names = [...served.keys()].filter((one) => mayRun(caller, one));
  const detail = `There is no workflow with that name${suggest(name, names)}. GET /workflows lists the workflows.`;
  throw new FleetError('workflow_not_found', detail);
}

/** Throws queue_unavailable until the published workflows have been read. */
export function requireRegistry({ isRegistryRead }: Pick<LiveWorkflows, 'isRegistryRead'>): void {
  if (!isRegistryRead) throw new FleetError('queue_unavailable', REGISTRY_UNREAD, { retryAfterSeconds: 1 });
}

/** Finds a stored version of a workflow; without `version`, the one that is served. Throws workflow_not_found. */
export async function findVersion(
  deps: Deps,
  name: string,
  version: string | undefined,
  caller?: Caller,
): Promise<Workflow> {
  const { workflow } = findServed(deps.workflows, name, caller);
  if (version === undefined || version === workflow.version) return workflow;
  const known = await versionsOf(deps, name);
  return (known.includes(version) ? await storedVersion(deps, name, version) : undefined) ?? noSuchVersion(name);
}

/** Finds the version of a workflow to run. Keys with the scope admin may also run unpublished drafts: see `dry_run`. */
export async function findVersionToRun(
  deps: Deps,
  { name, version, caller }: { readonly name: string; readonly version: string; readonly caller: Caller },
): Promise<Workflow> {
  if (!caller.scopes.includes('admin') || !NAME.test(name)) return findVersion(deps, name, version, caller);
  const served = deps.workflows.byName.get(name);
  if (served?.version === version) return served;
  return (await storedVersion(deps, name, version)) ?? noSuchVersion(name);
}

/** The stored versions of a published workflow, newest first. */
export async function versionsOf({ ledger }: Deps, name: string): Promise<string[]> {
  return (await ledger.workflows.list()).get(name)?.map(({ version }) => version) ?? [];
}

async function storedVersion({ ledger }: Deps, name: string, version: string): Promise<Workflow | undefined> {
  const text = await ledger.workflows.source(version);
  if (text === undefined) return undefined;
  try {
    return openWorkflow(name, text);
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    const detail = `This version cannot be opened as ${name}: ${error.faults.join('; ')}`;
    throw new FleetError('invalid_workflow', detail);
  }
}

function noSuchVersion(name: string): never {
  const detail = `${name} has no such version; GET /workflows/${name}/versions lists its versions.`;
  throw new FleetError('workflow_not_found', detail);
}

/** Merges what the instances that may get the workflow's jobs report about its node classes; undefined before any report. */
export async function catalogueFor(
  { offers, workflows }: Deps,
  workflow: Workflow,
  caller: ModelUser,
): Promise<Catalogue | undefined> {
  const pools = poolsOf(workflow, workflows.profiles);
  const own = await offers.to(caller);
  const found = await Promise.all(pools.map((pool) => own.catalogue(pool, workflow.classes)));
  const known = found.filter((catalogue) => catalogue !== undefined);
  return known.length === 0 ? undefined : unionOf(known);
}
