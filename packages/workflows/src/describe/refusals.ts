import { describeNode, type Graph, nodeAt } from '../graph.js';
import { suggest } from '../nearest.js';
import { type GraphFault, graphFaults } from '../verdict/graph-faults.js';
import { type Catalogue, hasClass, isOutputClass } from './catalogue.js';
import type { Note } from './note.js';

/** What ComfyUI would refuse of the graph as it is: sentences in its own terms. */
export function refusals(graph: Graph, outputs: readonly string[], catalogue: Catalogue | undefined): Note[] {
  const unknown = catalogue === undefined ? [] : unknownClasses(graph, catalogue);
  const saves = (id: string) =>
    catalogue === undefined || isOutputClass(catalogue, nodeAt(graph, id).class_type) !== false;
  // What is unknown may be what saves.
  if (unknown.length === 0 && !outputs.some(saves)) {
    const text = 'No node of it saves anything: add one, such as SaveImage, and export it again.';
    return [{ text, nodes: [], widget: undefined, input: undefined }];
  }
  if (catalogue === undefined) return [];
  return [...unknown, ...graphFaults(graph, outputs, catalogue).map((fault) => noteOf(graph, fault))];
}

function noteOf(graph: Graph, { node, input: widget, detail }: GraphFault): Note {
  const text = `${describeNode(graph, node)}${widget === undefined ? '' : `: ${widget}`} ${detail}.`;
  return { text, nodes: [node], widget, input: undefined };
}

/** ComfyUI looks at the class of every node, also of those that no output needs. */
function unknownClasses(graph: Graph, catalogue: Catalogue): Note[] {
  return Object.entries(graph).flatMap(([id, { class_type: className }]) => {
    if (hasClass(catalogue, className)) return [];
    const near = suggest(className, Object.keys(catalogue));
    const text = `${describeNode(graph, id)}: there is no node class ${className}${near || '; a custom node may bring it.'}`;
    return [{ text, nodes: [id], widget: undefined, input: undefined }];
  });
}
