import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from '../bindings.js';
import { describeNode, type Graph, isModelFile, nodeAt, type Slot, upstreamOf } from '../graph.js';
import { showJson } from '../json-text.js';
import { type GraphFault, graphFaults } from '../verdict/graph-faults.js';
import { suggest } from '../wording.js';
import { type Catalogue, hasClass, isOutputClass } from './catalogue.js';
import type { FoundOutput } from './find-outputs.js';
import type { FoundParts } from './find-parts.js';
import type { FoundInput, Note, Rule } from './found-input.js';
import { inputBounds, inputSchema, inputsSchema, type JsonSchema } from './input-schema.js';
import { widgetOf } from './widget.js';

export interface WorkflowDescription {
  readonly description: string | undefined;
  /** In the order in which people see them. */
  readonly inputs: readonly { readonly name: string; readonly slots: readonly Slot[]; readonly rule: Rule }[];
  readonly schema: JsonSchema;
  readonly outputs: readonly FoundOutput[];
  readonly models: readonly string[];
  readonly nodeClasses: readonly string[];
  /** Inputs and outputs that are missing because it is not clear which node they mean, and how to state it. */
  readonly unsettled: readonly string[];
  /** Why ComfyUI would refuse the graph as it is; without a catalogue only errors in the graph itself. */
  readonly refused: readonly string[];
  /** Both, and defaults that their own inputs would refuse, with the nodes concerned. */
  readonly notes: readonly (Note & { readonly kind: 'unsettled' | 'odd_default' | 'refused' })[];
}

interface Described extends FoundParts {
  readonly description: string | undefined;
  readonly bindings: Bindings;
  /** Whether POST /generate or /img2img runs it. */
  readonly isStrict: boolean;
  readonly catalogue: Catalogue | undefined;
  readonly limits: RequestLimits | undefined;
}

/** Describes the inputs, outputs and needs of a workflow; types, bounds and options come from the catalogue. */
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

/** Defaults that violate the rules of their inputs; jobs that omit these inputs run with them all the same. */
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

/** Why ComfyUI would refuse the graph as it is: sentences in its terms. */
function refusals(graph: Graph, outputs: readonly string[], catalogue: Catalogue | undefined): Note[] {
  const unknown = catalogue === undefined ? [] : unknownClasses(graph, catalogue);
  const saves = (id: string) =>
    catalogue === undefined || isOutputClass(catalogue, nodeAt(graph, id).class_type) !== false;
  // An unknown node may be the one that saves.
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

/** ComfyUI checks the class of every node, including those that no output needs. */
function unknownClasses(graph: Graph, catalogue: Catalogue): Note[] {
  return Object.entries(graph).flatMap(([id, { class_type: className }]) => {
    if (hasClass(catalogue, className)) return [];
    const near = suggest(className, Object.keys(catalogue));
    const text = `${describeNode(graph, id)}: there is no node class ${className}${near || '; a custom node may bring it.'}`;
    return [{ text, nodes: [id], widget: undefined, input: undefined }];
  });
}

/** An example body that sets each input: its default, or a value of its type. */
export function exampleBody({ inputs, schema }: WorkflowDescription): Readonly<Record<string, unknown>> {
  const properties = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const values = inputs.flatMap(({ name }) => {
    const { type, default: preset, contentMediaType, enum: options, minimum } = properties[name] ?? {};
    // random when omitted
    if (Array.isArray(type)) return [];
    if (contentMediaType !== undefined) return [[name, 'asset:<id>']];
    if (preset !== undefined) return [[name, preset]];
    if (Array.isArray(options)) return [[name, options[0]]];
    return [[name, type === 'string' ? '…' : type === 'boolean' ? true : (minimum ?? 1)]];
  });
  return { inputs: Object.fromEntries(values) };
}

/** A node with the widgets that can become inputs. */
export interface ListedNode {
  readonly id: string;
  readonly title: string | undefined;
  readonly className: string;
  readonly widgets: readonly {
    readonly widget: string;
    /** The schema that an input for it would have. */
    readonly schema: JsonSchema;
    /** The value in the graph. */
    readonly value: unknown;
  }[];
}

/** The nodes of a graph, in order. */
export function listNodes(graph: Graph, catalogue: Catalogue | undefined): ListedNode[] {
  return Object.entries(graph).map(([id, node]) => {
    const settable = Object.keys(node.inputs).filter((input) => widgetOf(node, input) !== undefined);
    const widgets = settable.map((widget) => ({
      widget,
      schema: inputSchema(graph, { name: widget, slots: [{ node: id, input: widget }], rule: 'wiring' }, catalogue),
      value: node.inputs[widget],
    }));
    return { id, title: node._meta?.title ?? undefined, className: node.class_type, widgets };
  });
}
