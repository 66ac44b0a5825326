import { FleetError, filesOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  bindGraph,
  type Catalogue,
  type GraphFault,
  graphFaults,
  isOutputClass,
  type Workflow,
} from '@comfy-fleet/workflows';
import { faultAt, type Pointers } from './pointers.js';

/**
 * Throws `validation_failed` for what ComfyUI would refuse of the graph as the request has it: nothing that it runs for,
 * inputs that are missing, numbers out of bounds, links that do not fit. What instances lack is told apart.
 */
export function refuseGraph(
  workflow: Workflow,
  request: ResolvedRequest,
  catalogue: Catalogue | undefined,
  pointers: Pointers,
): void {
  const named = workflow.outputs.filter(({ name }) => request.outputs?.includes(name) ?? true);
  const nodes = named.length > 0 ? named.map(({ node }) => node) : outputNodes(workflow, catalogue);
  if (nodes.length === 0) {
    const detail = 'the workflow has no output node, for which ComfyUI would run it: add one, such as SaveImage';
    throw refused([{ pointer: '', detail }]);
  }
  if (catalogue === undefined) return;
  const files = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { filenamePrefix: '', files });
  const faults = graphFaults(graph, nodes, catalogue).filter((fault) => !isLack(fault));
  if (faults.length === 0) return;
  throw refused(faults.map((fault) => faultAt(fault, { workflow, graph, pointers })));
}

/** Some, such as one that calls a webhook, neither save nor show anything, so they are none of the workflow's outputs. */
function outputNodes({ graph }: Workflow, catalogue: Catalogue = {}): string[] {
  return Object.entries(graph).flatMap(([id, node]) => (isOutputClass(catalogue, node.class_type) ? [id] : []));
}

/** A text that is not among the options is what some instance may have. */
function isLack({ type, extra: { received_value: value } }: GraphFault): boolean {
  return type === 'value_not_in_list' && [value].flat().some((one) => typeof one === 'string');
}

function refused(errors: readonly { readonly pointer: string; readonly detail: string }[]): FleetError {
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  return new FleetError('validation_failed', `${detail}.`, { errors });
}
