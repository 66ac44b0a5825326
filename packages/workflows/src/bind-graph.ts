import { FleetError, type InputValue, isInputFile, type ResolvedRequest } from '@comfy-fleet/contracts';
import { isMedia } from './describe/widget.js';
import { copyGraph, type Graph, nodeAt, type Slot } from './graph.js';
import { MAX_NUMBER_CHARS } from './json-text.js';
import { neededPart } from './models-of.js';
import { readWindow, setWindow } from './step-window.js';
import type { Workflow, WorkflowInput } from './workflow.js';

/** PrimitiveInt accepts at most 2^63−1; samplers accept seeds up to 2^64−1. */
const PRIMITIVE_BITS = 63;

export interface BindOptions {
  /** Prefix of the names of all files that nodes write, followed by `-<n>`; by default that of the graph. */
  readonly filenamePrefix?: string;
  /** The names of files, by input. */
  readonly files: Pick<ReadonlyMap<string, string>, 'get'>;
}

/**
 * A new graph with the request's values, ready for `POST /prompt`; its seeds are bigints. Nodes that only unrequested
 * outputs need are removed, because both ComfyUIs understand that alike: with `partial_execution_targets` 0.33 also
 * runs, and lists, an output in the middle of the graph, and missing nodes of other outputs would count.
 */
export function bindGraph(workflow: Workflow, request: ResolvedRequest, { filenamePrefix, files }: BindOptions): Graph {
  const { bindings } = workflow;
  const graph = copyGraph(workflow.graph);
  for (const input of workflow.inputs) {
    const value = valueToBind(input, request, workflow, files);
    if (value === undefined) continue;
    for (const slot of input.slots) nodeAt(graph, slot.node).inputs[slot.input] = written(value, input, slot, workflow);
  }
  const { steps, denoise, count = 1 } = request.inputs;
  for (const window of bindings.windows) {
    const own = readWindow(window);
    const isSettable = workflow.kind !== 'workflow' && typeof denoise === 'number';
    const worked = typeof steps === 'number' ? steps : own.steps;
    setWindow(nodeAt(graph, window.node), window, worked, isSettable ? denoise : own.denoise);
  }
  if (filenamePrefix !== undefined) {
    for (const [n, { node, input }] of bindings.prefixes.entries()) {
      // With the same name for two nodes with the same pictures, ComfyUI would run only one of them.
      nodeAt(graph, node).inputs[input] = `${filenamePrefix}-${n + 1}`;
    }
  }
  // What a formula makes decides how much the graph costs, so it must not be more than was expected of it.
  for (const [node, { least, most }] of Object.entries(request.bounds ?? {})) {
    const { inputs } = nodeAt(graph, node);
    inputs.expression = `max(${least}, min(${most}, (${inputs.expression})))`;
  }
  if (bindings.slots.count.length === 0 && Number(count) > 1) repeatLatent(graph, workflow, Number(count));
  return neededPart(graph, workflow, request.outputs);
}

function valueToBind(
  { name, type, required }: WorkflowInput,
  { inputs }: ResolvedRequest,
  workflow: Workflow,
  files: BindOptions['files'],
): Exclude<InputValue, object> | readonly unknown[] | undefined {
  const value = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  const file = isInputFile(value) ? files.get(name) : undefined;
  const isMissing = isInputFile(value)
    ? file === undefined
    : value === undefined && isMedia(type) && required !== false;
  if (isMissing) {
    const detail =
      name === 'image' && workflow.startsFromPicture
        ? `The workflow ${workflow.name} starts from a picture, and there is none.`
        : `The workflow ${workflow.name} needs a file for ${name}, and there is none.`;
    throw new FleetError('input_missing', detail);
  }
  return isInputFile(value) ? file : value;
}

function written(value: unknown, { type }: WorkflowInput, { node, input }: Slot, { graph }: Workflow): unknown {
  if (type === 'seed') {
    const seed = BigInt(String(value));
    return input === 'value' ? BigInt.asUintN(PRIMITIVE_BITS, seed) : seed;
  }
  // ComfyUI treats a plain list as a link.
  if (Array.isArray(value)) return { __value__: value };
  // Integers beyond 2^53 are strings of digits in requests.
  const isNumber = ['number', 'bigint'].includes(typeof nodeAt(graph, node).inputs[input]);
  const isWhole = typeof value === 'string' && value.length <= MAX_NUMBER_CHARS && /^-?\d+$/.test(value);
  return isNumber && isWhole ? BigInt(value) : value;
}

/**
 * An encoded picture is one latent. For several pictures it is repeated, and each gets its own noise from the same
 * seed.
 */
function repeatLatent(graph: Graph, { bindings }: Workflow, count: number): void {
  if (bindings.repeatAt === undefined) return;
  const inputs = nodeAt(graph, bindings.repeatAt.node).inputs;
  let id = 'repeat';
  while (Object.hasOwn(graph, id)) id += '_';
  graph[id] = {
    class_type: 'RepeatLatentBatch',
    inputs: { samples: inputs[bindings.repeatAt.input], amount: count },
    _meta: { title: 'Repeat for the number of pictures' },
  };
  inputs[bindings.repeatAt.input] = [id, 0];
}
