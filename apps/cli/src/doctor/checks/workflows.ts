import type { Config } from '@comfy-fleet/config';
import { type loadWorkflows, WorkflowError } from '@comfy-fleet/workflows';
import { type Finding, reportOf } from '../finding.js';

/** The workflow templates and profiles, as every service loads them. */
export async function checkWorkflows(
  { workflowsDir }: Config,
  loading: ReturnType<typeof loadWorkflows>,
): Promise<Finding[]> {
  const { ok, fail } = reportOf('workflows');
  const fix = `correct it in ${workflowsDir}, or set WORKFLOWS_DIR to the folder of the workflows`;
  try {
    const { byName, profiles, faults } = await loading;
    const names = [...byName.keys()].join(', ');
    const found = ok(`${names}, and the profiles ${Object.keys(profiles).join(', ')}`);
    return [found, ...faults.map(({ detail }) => fail(detail, fix))];
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    return error.faults.map((fault) => fail(fault, fix));
  }
}
