import { type Graph, nodeAt, type Slot } from './graph.js';

/** Where ComfyUI is told under which name to keep what a node saves; it is ours, whatever the graph says. */
export function prefixesOf(graph: Graph): Slot[] {
  return Object.keys(graph).flatMap((node): Slot[] => {
    const { class_type, inputs } = nodeAt(graph, node);
    if (/^SaveLoRA(Node)?$/.test(class_type)) return [{ node, input: 'prefix' }];
    return 'filename_prefix' in inputs || class_type === 'SaveImage' ? [{ node, input: 'filename_prefix' }] : [];
  });
}
