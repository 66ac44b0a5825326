import { FleetError, filesOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph, type Catalogue, describeNode, graphFaults, type Workflow } from '@comfy-fleet/workflows';

/**
 * Throws `validation_failed` for what ComfyUI would refuse of the graph as the request has it: nothing that it makes,
 * inputs that are missing, numbers out of bounds. `pointer` says where an input of the workflow stands in the request.
 */
export function refuseGraph(
  workflow: Workflow,
  request: ResolvedRequest,
  catalogue: Catalogue | undefined,
  pointer: (input: string) => string,
): void {
  const outputs = workflow.outputs.filter(({ name }) => request.outputs?.includes(name) ?? true);
  if (outputs.length === 0) {
    const detail = 'no node of the workflow saves or shows anything: add one, such as SaveImage';
    throw refused([{ pointer: '', detail }]);
  }
  if (catalogue === undefined) return;
  const files = new Map(filesOf(request).map(([input, { name }]) => [input, name]));
  const graph = bindGraph(workflow, request, { filenamePrefix: '', files });
  const faults = graphFaults(
    graph,
    outputs.map(({ node }) => node),
    catalogue,
  );
  if (faults.length === 0) return;
  throw refused(
    faults.map(({ node, input, detail }) => {
      const setBy = workflow.inputAt({ node, input })?.name;
      if (setBy !== undefined) return { pointer: pointer(setBy), detail };
      return { pointer: '', detail: `${input} of ${describeNode(graph, node)} ${detail}` };
    }),
  );
}

function refused(errors: readonly { readonly pointer: string; readonly detail: string }[]): FleetError {
  const detail = errors.map(({ pointer, detail: what }) => `${pointer} ${what}`.trim()).join('; ');
  return new FleetError('validation_failed', `${detail}.`, { errors });
}
