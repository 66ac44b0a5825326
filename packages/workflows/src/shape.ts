import { hash } from 'node:crypto';
import { type Catalogue, inputSpec } from './describe/catalogue.js';
import { type Graph, isLink, nodeAt } from './graph.js';
import { showJson } from './json-text.js';
import { isModelFile } from './model-file.js';

/** Characters of a digest; see packages/jobs/src/record/need.ts. */
const LENGTH = 12;
/** Inputs of nodes whose number says how much there is to do. */
const AMOUNT =
  /^(steps|start_at_step|end_at_step|width|height|batch_size|amount|length|video_frames|frames|seconds|denoise|scale_by|megapixels|resolution|octree_resolution)$/;

/**
 * What graphs have in common that take alike and need the same, whatever their texts and seeds say: their nodes, how these
 * are wired, the amounts, the model files, and what else is chosen among options, as far as the catalogue tells.
 */
export function shapeOf(graph: Graph, catalogue: Catalogue | undefined): string {
  const isTelling = (className: string, name: string, value: unknown) =>
    isLink(value) ||
    isModelFile(value) ||
    (typeof value === 'number' && AMOUNT.test(name)) ||
    (catalogue !== undefined && inputSpec(catalogue, className, name)?.type === 'COMBO');
  const nodes = Object.keys(graph)
    .sort()
    .map((id) => {
      const { class_type, inputs } = nodeAt(graph, id);
      const telling: [name: string, value: unknown][] = [];
      for (const name of Object.keys(inputs).sort()) {
        if (isTelling(class_type, name, inputs[name])) telling.push([name, inputs[name]]);
      }
      return [id, class_type, telling];
    });
  return hash('sha256', showJson(nodes), 'base64url').slice(0, LENGTH);
}
