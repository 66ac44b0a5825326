import type { Graph, Slot } from './graph.js';

/** Where ComfyUI is told under which name to keep what a node saves; it is ours, whatever the graph says. */
export function prefixesOf(graph: Graph): Slot[] {
  const prefixes: Slot[] = [];
  for (const [node, { class_type, inputs }] of Object.entries(graph)) {
    if (/^SaveLoRA(Node)?$/.test(class_type)) prefixes.push({ node, input: 'prefix' });
    else if ('filename_prefix' in inputs || class_type === 'SaveImage')
      prefixes.push({ node, input: 'filename_prefix' });
  }
  return prefixes;
}
