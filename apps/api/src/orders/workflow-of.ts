import { FleetError, type ResolvedRequest } from '@comfy-fleet/contracts';
import { openWorkflow, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

/**
 * What the request runs: the workflow in the version that it names, even if another one serves under that name by now.
 * Throws wrong_job_state when that version is gone.
 */
export async function workflowOf(
  { workflows, ledger }: Pick<Deps, 'workflows' | 'ledger'>,
  { workflow: name, version }: ResolvedRequest,
): Promise<Workflow> {
  const served = workflows.byName.get(name);
  if (served?.version === version) return served;
  const text = await ledger.workflows.source(version);
  if (text !== undefined) return openWorkflow(name, text);
  throw new FleetError('wrong_job_state', `The workflow ${name} is no longer there in the version that the job names.`);
}
