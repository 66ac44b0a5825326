import type { WorkflowChanges } from '@comfy-fleet/contracts';
import { type Catalogue, type Change, differenceOf, type PartDifference, type Workflow } from '@comfy-fleet/workflows';

/** What is another one in a version of a workflow; has bigints in it. */
export function presentChanges(before: Workflow, after: Workflow, catalogue: Catalogue | undefined): WorkflowChanges {
  const { whole, inputs, outputs, nodes } = differenceOf(before, after, catalogue);
  return {
    from: before.version,
    to: after.version,
    whole: whole.map(presentChange),
    inputs: inputs.map((part) => ({ input: part.name, ...presentPart(part) })),
    outputs: outputs.map((part) => ({ output: part.name, ...presentPart(part) })),
    nodes: nodes.map(({ title = null, className, ...part }) => ({
      node_id: part.name,
      title,
      class_type: className,
      ...presentPart(part),
    })),
  };
}

function presentPart({ kind, changes }: PartDifference) {
  return { change: kind, changes: changes.map(presentChange) };
}

function presentChange({ what, before = null, after = null }: Change) {
  return { what, before, after };
}
