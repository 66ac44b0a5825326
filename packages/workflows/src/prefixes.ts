import type { Graph, Slot } from './graph.js';
import { reviewedKind } from './nodes/node-table.js';

/** Where ComfyUI is told under which name to keep what a node saves; it is ours, whatever the graph says. */
export function prefixesOf(graph: Graph): Slot[] {
  const prefixes: Slot[] = [];
  for (const [node, { class_type, inputs }] of Object.entries(graph)) {
    const isPrefix = (input: string) => input === 'filename_prefix' || reviewedKind(class_type, input) === 'prefix';
    // SaveImage runs without one, and then uses a name of its own
    const names = new Set([...Object.keys(inputs), ...(class_type === 'SaveImage' ? ['filename_prefix'] : [])]);
    for (const input of names) if (isPrefix(input)) prefixes.push({ node, input });
  }
  return prefixes;
}
