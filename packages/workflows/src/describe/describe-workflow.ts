import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from '../bindings.js';
import { describeNode, type Graph, isModelFile, nodeAt, type Slot, upstreamOf } from '../graph.js';
import { showJson } from '../json-text.js';
import { suggest } from '../nearest.js';
import { type GraphFault, graphFaults } from '../verdict/graph-faults.js';
import { type Catalogue, hasClass, isOutputClass } from './catalogue.js';
import type { FoundOutput } from './find-outputs.js';
import type { FoundParts } from './find-parts.js';
import type { FoundInput, Rule } from './found-input.js';
import { inputBounds } from './input-bounds.js';
import { inputsSchema, type JsonSchema } from './input-schema.js';
import type { Note } from './note.js';

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

/** Defaults that what is said of their inputs forbids: jobs that leave them out run with them all the same. */
function oddDefaults(graph: Graph, inputs: readonly FoundInput[]): Note[] {
  return inputs.flatMap((input): Note[] => {
    const { name, slots } = input;
    const [first] = slots;
    const preset = input.default ?? (first && nodeAt(graph, first.node).inputs[first.input]);
    const fault = faultOf(preset, input);
    if (fault === undefined) return [];
    const text = `The default of ${name}, ${showJson(preset)}, is ${fault}.`;
    return [{ text, nodes: slots.map(({ node }) => node), widget: first?.input, input: name }];
  });
}

function faultOf(preset: unknown, { minimum, maximum, options }: FoundInput): string | undefined {
  const isOption = options?.some((option) => option === preset) ?? true;
  if (!isOption) return 'none of its options';
  if (typeof preset !== 'number') return undefined;
  if (minimum !== undefined && preset < minimum) return `below its minimum ${minimum}`;
  return maximum !== undefined && preset > maximum ? `above its maximum ${maximum}` : undefined;
}

/** What ComfyUI would refuse of the graph as it is: sentences in its own terms. */
function refusals(graph: Graph, outputs: readonly string[], catalogue: Catalogue | undefined): Note[] {
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

/** The body of a request that says each input once: its default, or something of its type. */
export function exampleBody({ inputs, schema }: WorkflowDescription): Readonly<Record<string, unknown>> {
  const properties = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const values = inputs.flatMap(({ name }) => {
    const { type, default: preset, contentMediaType, enum: options, minimum } = properties[name] ?? {};
    // drawn when it is left out
    if (Array.isArray(type)) return [];
    if (contentMediaType !== undefined) return [[name, 'asset:<id>']];
    if (preset !== undefined) return [[name, preset]];
    if (Array.isArray(options)) return [[name, options[0]]];
    return [[name, type === 'string' ? '…' : type === 'boolean' ? true : (minimum ?? 1)]];
  });
  return { inputs: Object.fromEntries(values) };
}
