import { PARAMETERS, type Parameter } from './bindings.js';
import { type Choices, chosenSlots } from './choices.js';
import { type Fault, FileFault, gatherFaults } from './file-fault.js';
import {
  describeNode,
  distinctSlots,
  type Graph,
  type GraphNode,
  isLink,
  linkedInputs,
  nodeAt,
  type Slot,
  sameSlot,
  upstreamOf,
} from './graph.js';
import { TEXT_PARAMETERS } from './input-names.js';
import type { Sampling } from './sampling.js';
import { traceWiring } from './wiring.js';

type Slots = Record<Parameter, readonly Slot[]>;

export interface Located {
  /** The nodes' inputs: a value, or a link to its origin. */
  readonly inputs: Readonly<Slots>;
  /** The places of the values themselves; empty for a parameter without a place. */
  readonly slots: Slots;
  /** What is ambiguous or leads nowhere; such a parameter has no slots. */
  readonly faults: readonly Fault[];
}

/** Finds the places of the parameters of one sampler; what `choices` names takes precedence. */
export function locateParameters(
  graph: Graph,
  outputs: readonly string[],
  sampling: Sampling,
  choices: Choices,
): Located {
  const wiring = traceWiring(graph, sampling);
  const none = Object.fromEntries(PARAMETERS.map((parameter) => [parameter, []])) as unknown as Slots;
  const inputs = { ...none };
  const slots = { ...none };
  const faults = gatherFaults(
    PARAMETERS.map((parameter) => () => {
      inputs[parameter] = chosenSlots(graph, choices, parameter) ?? wiring(parameter);
      slots[parameter] = distinctSlots(inputs[parameter].map((slot) => literalSlot(graph, slot, parameter)));
    }),
  );
  // Set at both ends of a link: the primitive's range may be too small, and other nodes may use the primitive.
  slots.seed = distinctSlots([...slots.seed, ...inputs.seed]);
  // With one encoder for both (as with cfg 1), the prompt gets it.
  slots.negative_prompt = slots.negative_prompt.filter((slot) => !slots.prompt.some((other) => sameSlot(slot, other)));
  const companions = companionsOfSize(graph, upstreamOf(graph, outputs), slots);
  slots.width = distinctSlots([...slots.width, ...companions.width]);
  slots.height = distinctSlots([...slots.height, ...companions.height]);
  return { inputs, slots, faults };
}

/** Errors for two parameters at one place, which cannot both be set. */
export function sharedPlaces(graph: Graph, slots: Readonly<Slots>): Fault[] {
  const all = PARAMETERS.flatMap((parameter) => slots[parameter].map((slot) => ({ parameter, slot })));
  return all.flatMap(({ parameter, slot }, index) => {
    const other = all.slice(index + 1).find((entry) => sameSlot(entry.slot, slot));
    if (other === undefined) return [];
    const place = `${slot.input} of ${describeNode(graph, slot.node)}`;
    return { problem: `${parameter} and ${other.parameter} both come from ${place}: give each a node of its own` };
  });
}

const PAIRS = [
  ['width', 'height'],
  ['target_width', 'target_height'],
] as const;

/**
 * Other nodes with the picture's size (ModelSamplingFlux, CLIPTextEncodeSDXL, the ImageScale of a control picture). If
 * the template gives them the width and height of the latent, they follow it. Another size is intentional and stays.
 */
function companionsOfSize(
  graph: Graph,
  ids: ReadonlySet<string>,
  slots: Readonly<Record<Parameter, readonly Slot[]>>,
): { width: Slot[]; height: Slot[] } {
  const valueAt = (slot: Slot | undefined) =>
    slot === undefined ? undefined : nodeAt(graph, slot.node).inputs[slot.input];
  const width = valueAt(slots.width[0]);
  const height = valueAt(slots.height[0]);
  const found = { width: [] as Slot[], height: [] as Slot[] };
  if (width === undefined || height === undefined) return found;
  for (const id of ids) {
    for (const [wide, high] of PAIRS) {
      const inputs = nodeAt(graph, id).inputs;
      if (!(wide in inputs) || !(high in inputs)) continue;
      const wideSlot = plainSlot(graph, { node: id, input: wide }, 'width');
      const highSlot = plainSlot(graph, { node: id, input: high }, 'height');
      if (wideSlot === undefined || highSlot === undefined) continue;
      if (valueAt(wideSlot) !== width || valueAt(highSlot) !== height) continue;
      found.width.push(wideSlot);
      found.height.push(highSlot);
    }
  }
  return found;
}

/** Undefined for a calculated size, which follows by itself. */
function plainSlot(graph: Graph, slot: Slot, parameter: Parameter): Slot | undefined {
  try {
    return literalSlot(graph, slot, parameter);
  } catch (error) {
    if (error instanceof FileFault) return undefined;
    throw error;
  }
}

/**
 * The place of the value itself: `slot` or, if that is a link, the single value at its other end (a primitive node, a
 * reroute to one). Throws a FileFault if the other end combines several values.
 */
export function literalSlot(graph: Graph, slot: Slot, parameter: Parameter): Slot {
  let at = slot;
  for (;;) {
    const value = nodeAt(graph, at.node).inputs[at.input];
    if (!isLink(value)) return at;
    const input = onlySource(nodeAt(graph, value[0]), parameter);
    if (input === undefined) throw new FileFault(notPlain(graph, slot, value[0], parameter));
    at = { node: value[0], input };
  }
}

function onlySource(node: GraphNode, parameter: Parameter): string | undefined {
  if ('value' in node.inputs) return 'value';
  const literals = Object.keys(node.inputs).filter((input) => fits(node.inputs[input], parameter));
  const sources = [...literals, ...linkedInputs(node)];
  return sources.length === 1 ? sources[0] : undefined;
}

function fits(value: unknown, parameter: Parameter): boolean {
  return TEXT_PARAMETERS.has(parameter) ? typeof value === 'string' : ['number', 'bigint'].includes(typeof value);
}

function notPlain(graph: Graph, slot: Slot, source: string, parameter: Parameter): Fault {
  return {
    problem:
      `${slot.input} of ${describeNode(graph, slot.node)} is made by ${describeNode(graph, source)}, ` +
      `and it cannot be told which of that node's inputs is the ${parameter}`,
    settledBy: { [parameter]: { node: source, input: Object.keys(nodeAt(graph, source).inputs)[0] ?? '' } },
  };
}
