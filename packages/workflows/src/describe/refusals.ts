import { describeNode, type Graph, nodeAt } from '../graph.js';
import { suggest } from '../nearest.js';
import { type GraphFault, graphFaults } from '../verdict/graph-faults.js';
import { type Catalogue, hasClass, isOutputClass } from './catalogue.js';

/** What ComfyUI would refuse of the graph as it is: sentences in its own terms. */
export function refusals(graph: Graph, outputs: readonly string[], catalogue: Catalogue | undefined): string[] {
  const unknown = catalogue === undefined ? [] : unknownClasses(graph, catalogue);
  const saves = (id: string) =>
    catalogue === undefined || isOutputClass(catalogue, nodeAt(graph, id).class_type) !== false;
  // What is unknown may be what saves.
  if (unknown.length === 0 && !outputs.some(saves)) {
    return ['No node of it saves anything: add one, such as SaveImage, and export it again.'];
  }
  if (catalogue === undefined) return [];
  return [...unknown, ...graphFaults(graph, outputs, catalogue).map((fault) => sentence(graph, fault))];
}

function sentence(graph: Graph, { node, input, detail }: GraphFault): string {
  return `${describeNode(graph, node)}${input === undefined ? '' : `: ${input}`} ${detail}.`;
}

/** ComfyUI looks at the class of every node, also of those that no output needs. */
function unknownClasses(graph: Graph, catalogue: Catalogue): string[] {
  return Object.entries(graph).flatMap(([id, { class_type: className }]) => {
    if (hasClass(catalogue, className)) return [];
    const near = suggest(className, Object.keys(catalogue));
    return `${describeNode(graph, id)}: there is no node class ${className}${near || '; a custom node may bring it.'}`;
  });
}
