import { describeLack, mendLack, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { type Finding, reportOf } from '../finding.js';

/** What an instance lacks of what the workflows need; one finding when it lacks nothing. */
export function lackFindings(address: string, verdicts: readonly WorkflowVerdict[]): Finding[] {
  const { ok, fail, warn } = reportOf('comfyui-models');
  if (verdicts.length === 0) {
    const mend =
      'give it a pool that a workflow or a level of detail goes to (pools in COMFYUI_INSTANCES_FILE, WORKER_POOLS)';
    return [warn(`${address} serves no pool that any job goes to`, mend)];
  }
  const names = verdicts.map(({ workflow }) => workflow).join(' and ');
  const seen = new Set<string>();
  const lacks = verdicts.flatMap(({ workflow, lacks }) =>
    lacks.flatMap((lack) => {
      const what = describeLack(lack);
      if (seen.has(what)) return [];
      seen.add(what);
      return [fail(`${address} lacks ${what}, which ${workflow}.json needs`, mendLack(lack, workflow))];
    }),
  );
  return lacks.length > 0 ? lacks : [ok(`${address} has every node and model that the workflows need: ${names}`)];
}
