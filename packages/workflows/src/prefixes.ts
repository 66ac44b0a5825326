import { outputNodes } from './describe/find-outputs.js';
import type { Graph, Slot } from './graph.js';
import { reviewedKind } from './nodes/node-table.js';

/** Nodes of ComfyUI 0.33 that show files and pass on what they show. */
const SHOWS = /Preview|Compare|Compositor|BoundingBoxes/;

/**
 * Where nodes take the beginning of their files' names from; it is ours, whatever the graph says. ComfyUI ignores an input
 * that the class does not have, but then it does not take the output from its cache, so no node shows a file of an earlier
 * submission.
 */
export function prefixesOf(graph: Graph): Slot[] {
  const outputs = new Set(outputNodes(graph));
  return Object.entries(graph).flatMap(([node, { class_type, inputs }]) => {
    const isPrefix = (input: string) => input === 'filename_prefix' || reviewedKind(class_type, input) === 'prefix';
    const named = Object.keys(inputs).filter(isPrefix);
    const writes = outputs.has(node) || SHOWS.test(class_type);
    return (named.length === 0 && writes ? ['filename_prefix'] : named).map((input) => ({ node, input }));
  });
}
