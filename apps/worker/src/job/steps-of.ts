import type { ResolvedRequest } from '@comfy-fleet/contracts';

/** What nodes with steps are taken to have until they say themselves, where the request does not tell. */
const USUAL_STEPS = 20;

export function stepsOf({ inputs: { steps } }: ResolvedRequest): number {
  return typeof steps === 'number' ? steps : USUAL_STEPS;
}
