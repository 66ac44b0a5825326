import { explainVerdicts, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { type Finding, reportOf } from '../finding.js';

/** What an instance lacks of what the workflows need; one finding when it lacks nothing. */
export function lackFindings(address: string, verdicts: readonly WorkflowVerdict[]): Finding[] {
  const { ok, fail, warn } = reportOf('comfyui-models');
  if (verdicts.length === 0) {
    const fix =
      'give it a pool that a workflow or a level of detail goes to (pools in COMFYUI_INSTANCES_FILE, WORKER_POOLS)';
    return [warn(`${address} serves no pool that any job goes to`, fix)];
  }
  const { able, lacks } = explainVerdicts(verdicts);
  if (lacks.length === 0) {
    return [ok(`${address} has every node and model that the workflows need: ${able.join(' and ')}`)];
  }
  return lacks.map(({ what, fix, workflow }) => fail(`${address} lacks ${what}, which ${workflow}.json needs`, fix));
}
