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
import { type Caller, mayRun } from '../server/gate.js';
import type { LiveWorkflows, Served } from './live-workflows.js';

type Known = Pick<Deps, 'workflows' | 'ledger'>;

const UNREAD = 'The published workflows could not be read yet. Nothing was lost; try again shortly.';
const NAME = new RegExp(WORKFLOW_NAME_PATTERN);

/**
 * The workflow as it is served now. Suggests only what the caller may run. Throws workflow_not_found, and
 * queue_unavailable while that cannot be known.
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
  const detail = `There is no workflow of that name${suggest(name, names)}. GET /workflows lists those that there are.`;
  throw new FleetError('workflow_not_found', detail);
}

/** Throws queue_unavailable while it cannot be known which workflows are served. */
export function requireRegistry({ isRegistryRead }: Pick<LiveWorkflows, 'isRegistryRead'>): void {
  if (!isRegistryRead) throw new FleetError('queue_unavailable', UNREAD, { retryAfterSeconds: 1 });
}

/** A workflow in the version that is served, or in another one that is kept. Throws workflow_not_found. */
export async function findVersion(
  deps: Known,
  name: string,
  version: string | undefined,
  caller?: Caller,
): Promise<Workflow> {
  const { workflow } = findServed(deps.workflows, name, caller);
  if (version === undefined || version === workflow.version) return workflow;
  const known = await versionsOf(deps, name);
  return (known.includes(version) ? await keptVersion(deps, name, version) : undefined) ?? noSuchVersion(name);
}

/** The same to be run: keys with the scope admin may also run what nobody published, see `dry_run`. */
export async function findVersionToRun(
  deps: Known,
  { name, version, caller }: { readonly name: string; readonly version: string; readonly caller: Caller },
): Promise<Workflow> {
  if (!caller.scopes.includes('admin') || !NAME.test(name)) return findVersion(deps, name, version, caller);
  const served = deps.workflows.byName.get(name);
  if (served?.version === version) return served;
  return (await keptVersion(deps, name, version)) ?? noSuchVersion(name);
}

/** The versions that are kept of a published workflow, the newest first. */
export async function versionsOf({ ledger }: Known, name: string): Promise<string[]> {
  return (await ledger.workflows.list()).get(name)?.map(({ version }) => version) ?? [];
}

async function keptVersion({ ledger }: Known, name: string, version: string): Promise<Workflow | undefined> {
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
  const detail = `${name} has no such version; GET /workflows/${name}/versions lists those that are kept.`;
  throw new FleetError('workflow_not_found', detail);
}

/** How the instances that may get jobs of the workflow describe its node classes; undefined while none has. */
export async function catalogueFor({ ledger, workflows }: Known, workflow: Workflow): Promise<Catalogue | undefined> {
  const pools = poolsOf(workflow, workflows.profiles);
  const found = await Promise.all(pools.map((pool) => ledger.fleet.catalogue(pool, workflow.classes)));
  const known = found.filter((catalogue) => catalogue !== undefined);
  return known.length === 0 ? undefined : unionOf(known);
}
