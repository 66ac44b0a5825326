import type { Graph } from '../graph.js';
import { showJson } from '../json-text.js';
import { reviewedKind } from '../nodes/node-table.js';

/** Two families of models may need the same text encoder, and a third one a node of another class for it. */
const MOST_WAYS = 3;
/** ComfyUI reads the file of a LoRA once, and keeps no copy of the model for each strength. */
const IS_LORA = /lora/i;

/**
 * Nodes that load a model file in a fourth way, for example with another type or on another device. ComfyUI then loads
 * and keeps the file once more. Names that come over links count as one file.
 */
export function repeatedLoads(graph: Graph) {
  const ways = new Map<string, Set<string>>();
  return Object.entries(graph).flatMap(([node, { class_type: className, inputs }]) => {
    if (IS_LORA.test(className)) return [];
    const isModel = ([input]: [string, unknown]) => reviewedKind(className, input) === 'model';
    const files = Object.entries(inputs)
      .filter(isModel)
      .map(([, value]) => (typeof value === 'string' ? value : 'a linked file'));
    return files.flatMap((file) => {
      const known = ways.get(file) ?? new Set();
      ways.set(file, known.add(`${className} ${showJson(inputs)}`));
      if (known.size <= MOST_WAYS) return [];
      return [{ node, detail: `loads ${file} with other inputs than ${MOST_WAYS} other nodes: share their nodes` }];
    });
  });
}
