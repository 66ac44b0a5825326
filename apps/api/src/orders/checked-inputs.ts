import type { Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { InputsCheck, InputsToCheck } from '../requests/inputs-check.js';
import { refuseFaults } from '../requests/validator.js';
import { catalogueFor } from '../workflows/catalogue-for.js';

/** The inputs of a request as the workflow's schema has them. Throws validation_failed with the place of every fault. */
export async function checkedInputs(
  deps: Pick<Deps, 'ledger' | 'workflows'>,
  check: InputsCheck,
  workflow: Workflow,
  given: Omit<InputsToCheck, 'schema'>,
): Promise<Readonly<Record<string, unknown>>> {
  const { schema } = workflow.describe(await catalogueFor(deps, workflow));
  const { value, errors } = check({ schema, ...given });
  refuseFaults(errors);
  return value;
}
