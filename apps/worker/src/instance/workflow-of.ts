import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { modelsOf, type Workflow } from '@comfy-fleet/workflows';
import type { KnownWorkflows } from '../job/known-workflows.js';

/** The workflow that a job runs, in its version; undefined while that was not read. */
export function workflowOf(workflows: KnownWorkflows, request: ResolvedRequest): Workflow | undefined {
  return workflows.of(request);
}

/** The model files that the job's graph names; none for a workflow that is not known here. */
export function modelsOfJob(workflows: KnownWorkflows, request: ResolvedRequest): string[] {
  const workflow = workflowOf(workflows, request);
  return workflow === undefined ? [] : modelsOf(workflow, request);
}
