import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { findLacks, type Lack, type Workflow } from '@comfy-fleet/workflows';

/**
 * What each of several instances lacks for a job, the one that lacks least first. Nothing when one of them can run it, or
 * when there is none.
 */
export function nearestLacks(
  workflow: Workflow,
  request: ResolvedRequest,
  instances: readonly Abilities[],
): readonly (readonly Lack[])[] {
  // Instances that are alike share one object.
  const lacks = [...new Set(instances)].map((abilities) => findLacks(workflow, request, abilities));
  lacks.sort((one, other) => one.length - other.length);
  return lacks[0]?.length === 0 ? [] : lacks;
}
