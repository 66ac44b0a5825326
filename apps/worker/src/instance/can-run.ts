import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import { findLacks, modelsOf } from '@comfy-fleet/workflows';
import type { Instance } from './instance.js';
import type { KnownWorkflows } from './known-workflows.js';

/** Whether the instance serves the job's pool and has the nodes and models that it needs; what is unknown is tried. */
export function canRun({ pool, request }: JobRecord, instance: Instance, workflows: KnownWorkflows): boolean {
  return instance.pools.includes(pool) && lacksNothing(request, instance, workflows);
}

/** The same of a request for a pool that it serves. */
export function lacksNothing(
  request: ResolvedRequest,
  { abilities }: Pick<Instance, 'abilities'>,
  workflows: KnownWorkflows,
): boolean {
  const workflow = workflows.of(request);
  return workflow === undefined || abilities === undefined || findLacks(workflow, request, abilities).length === 0;
}

/** The model files that the job's graph names; none for a workflow that is not known here. */
export function modelsOfJob(workflows: KnownWorkflows, request: ResolvedRequest): readonly string[] {
  const workflow = workflows.of(request);
  return workflow === undefined ? [] : modelsOf(workflow, request);
}
