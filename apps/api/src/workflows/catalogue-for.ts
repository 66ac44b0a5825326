import { type Catalogue, poolsOf, unionOf, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

/** How the instances that may get jobs of the workflow describe its node classes; undefined while none has. */
export async function catalogueFor(
  { ledger: { fleet }, workflows }: Pick<Deps, 'ledger' | 'workflows'>,
  workflow: Workflow,
): Promise<Catalogue | undefined> {
  const classes = workflow.classes;
  const found = await Promise.all(poolsOf(workflow, workflows.profiles).map((pool) => fleet.catalogue(pool, classes)));
  const known = found.filter((catalogue) => catalogue !== undefined);
  return known.length === 0 ? undefined : unionOf(known);
}
