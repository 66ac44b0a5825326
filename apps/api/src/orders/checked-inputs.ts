import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Catalogue, Workflow } from '@comfy-fleet/workflows';
import { refuseFaults } from '../server/validator.js';
import type { InputsCheck, InputsToCheck } from './inputs-check.js';

/** The inputs of a request as the workflow's schema has them. Throws validation_failed with the place of every fault. */
export function checkedInputs(
  check: InputsCheck,
  workflow: Workflow,
  {
    catalogue,
    limits,
    ...given
  }: Omit<InputsToCheck, 'schema'> & { readonly catalogue: Catalogue | undefined; readonly limits: RequestLimits },
): Readonly<Record<string, unknown>> {
  const { value, errors } = check({ schema: workflow.describe(catalogue, limits).schema, ...given });
  refuseFaults(errors);
  return value;
}
