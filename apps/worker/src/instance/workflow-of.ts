import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { modelsOf } from '@comfy-fleet/workflows';
import type { KnownWorkflows } from './known-workflows.js';

/** The model files that the job's graph names; none for a workflow that is not known here. */
export function modelsOfJob(workflows: KnownWorkflows, request: ResolvedRequest): readonly string[] {
  const workflow = workflows.of(request);
  return workflow === undefined ? [] : modelsOf(workflow, request);
}
