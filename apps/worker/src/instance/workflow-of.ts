import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { modelsOf, type Workflow, type Workflows } from '@comfy-fleet/workflows';

/** The workflow that a job runs; undefined when this worker has none of that name. */
export function workflowOf({ byName }: Workflows, request: ResolvedRequest): Workflow | undefined {
  return byName.get(request.workflow);
}

/** The model files that the job's graph names; none for a workflow that is not known here. */
export function modelsOfJob(workflows: Workflows, request: ResolvedRequest): string[] {
  const workflow = workflowOf(workflows, request);
  return workflow === undefined ? [] : modelsOf(workflow, request);
}
