import type { Config } from '@comfy-fleet/config';
import { WorkflowError, type Workflows } from '@comfy-fleet/workflows';
import { type Finding, reportOf } from '../finding.js';

/** The workflow templates and profiles, as every service loads them. */
export async function checkWorkflows({ workflowsDir }: Config, loading: Promise<Workflows>): Promise<Finding[]> {
  const { ok, fail } = reportOf('workflows');
  try {
    const { byName, profiles } = await loading;
    const names = [...byName.keys()].join(', ');
    return [ok(`${names}, and the profiles ${Object.keys(profiles).join(', ')}`)];
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    const fix = `correct it in ${workflowsDir}, or set WORKFLOWS_DIR to the folder of the workflows`;
    return error.faults.map((fault) => fail(fault, fix));
  }
}
