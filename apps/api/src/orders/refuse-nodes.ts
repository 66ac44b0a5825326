import { FleetError } from '@comfy-fleet/contracts';
import { type Catalogue, forbiddenParts, GRAPH, type Workflow, withFileWidgets } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { MOST_FAULTS } from '../server/field-errors.js';
import type { Pointers } from './pointers.js';

/**
 * Throws validation_failed for nodes and inputs that the caller's own graph may not contain. Published workflows may
 * contain any. `described` is how the instances that may get the job describe its node classes.
 */
export function refuseNodes(
  { allowedNodes: allowed }: Pick<Deps, 'allowedNodes'>,
  workflow: Workflow,
  {
    caller: { allowNodes, denyNodes },
    described,
    pointers,
  }: { readonly caller: Caller; readonly described: Catalogue | undefined; readonly pointers: Pointers },
): void {
  if (workflow.name !== GRAPH || (allowNodes === undefined && denyNodes.length === 0)) return;
  const catalogue = described && withFileWidgets(described, allowed);
  const parts = forbiddenParts(workflow, { allowNodes, denyNodes, allowed }, catalogue).slice(0, MOST_FAULTS);
  if (parts.length === 0) return;
  const errors = parts.map(({ node, input, detail }) => ({ pointer: pointers.node(node, input), detail }));
  const told = errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; ');
  throw new FleetError('validation_failed', `${told}.`, { errors });
}
