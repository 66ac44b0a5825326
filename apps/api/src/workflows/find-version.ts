import { FleetError, WORKFLOW_NAME_PATTERN } from '@comfy-fleet/contracts';
import { openWorkflow, type Workflow, WorkflowError } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { findServed } from './find-served.js';

type Known = Pick<Deps, 'workflows' | 'ledger'>;

const NAME = new RegExp(WORKFLOW_NAME_PATTERN);

/** A workflow in the version that is served, or another one that is kept of its name. Throws workflow_not_found. */
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

/** Those that are kept of a published workflow, the newest first. */
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
