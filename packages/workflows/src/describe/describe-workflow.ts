import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from '../bindings.js';
import { type Graph, nodeAt, type Slot, upstreamOf } from '../graph.js';
import { isModelFile } from '../model-file.js';
import type { Catalogue } from './catalogue.js';
import type { FoundOutput } from './find-outputs.js';
import type { FoundParts } from './find-parts.js';
import type { Rule } from './found-input.js';
import { inputBounds } from './input-bounds.js';
import { inputsSchema, type JsonSchema } from './input-schema.js';
import type { Note } from './note.js';
import { oddDefaults } from './odd-defaults.js';
import { refusals } from './refusals.js';

export interface WorkflowDescription {
  readonly description: string | undefined;
  /** As people see them, in order. */
  readonly inputs: readonly { readonly name: string; readonly slots: readonly Slot[]; readonly rule: Rule }[];
  readonly schema: JsonSchema;
  readonly outputs: readonly FoundOutput[];
  readonly models: readonly string[];
  readonly nodeClasses: readonly string[];
  /** Inputs and outputs that are not there because it is open which node is meant; how to say it. */
  readonly unsettled: readonly string[];
  /** What ComfyUI would refuse the graph for, as it is; without a catalogue only what the graph itself shows. */
  readonly refused: readonly string[];
  /** Both, and defaults that their own inputs would refuse, with the nodes that they are about. */
  readonly notes: readonly (Note & { readonly kind: 'unsettled' | 'odd_default' | 'refused' })[];
}

interface Described extends FoundParts {
  readonly description: string | undefined;
  readonly bindings: Bindings;
  /** It is what POST /generate or /img2img runs. */
  readonly isStrict: boolean;
  readonly catalogue: Catalogue | undefined;
  readonly limits: RequestLimits | undefined;
}

/** What a workflow takes, gives and needs: types, bounds and options are the catalogue's. */
export function describeWorkflow(
  graph: Graph,
  { description, inputs, outputs, unsettled, bindings, isStrict, catalogue, limits }: Described,
): WorkflowDescription {
  const ids = outputs.map(({ node }) => node);
  const bounds = limits && inputBounds(graph, { slots: bindings.slots, catalogue, limits, isStrict });
  const schema = inputsSchema(graph, inputs, catalogue, bounds);
  const refused = refusals(graph, ids, catalogue);
  const needed = [...upstreamOf(graph, ids)].map((id) => nodeAt(graph, id));
  return {
    description,
    inputs: inputs.map(({ name, slots, rule }) => ({ name, slots, rule })),
    schema,
    outputs,
    models: [...new Set(needed.flatMap((node) => Object.values(node.inputs).filter(isModelFile)))],
    nodeClasses: [...new Set(needed.map(({ class_type }) => class_type))].sort(),
    unsettled: unsettled.map(({ text }) => text),
    refused: refused.map(({ text }) => text),
    notes: [
      ...refused.map((note) => ({ ...note, kind: 'refused' as const })),
      ...unsettled.map((note) => ({ ...note, kind: 'unsettled' as const })),
      ...oddDefaults(graph, inputs).map((note) => ({ ...note, kind: 'odd_default' as const })),
    ],
  };
}
