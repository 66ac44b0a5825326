import { PARAMETERS, type Parameter } from './bindings.js';
import { type Choices, chosenSlots } from './choices.js';
import { companionsOfSize } from './companions.js';
import { type Fault, gatherFaults } from './file-fault.js';
import { describeNode, type Graph, type Slot, upstreamOf } from './graph.js';
import { literalSlot } from './literal.js';
import type { Sampling } from './sampling.js';
import { distinctSlots, sameSlot } from './slots.js';
import { traceWiring } from './wiring.js';

type Slots = Record<Parameter, readonly Slot[]>;

export interface Located {
  /** As the nodes have them: a value, or a link to where it is made. */
  readonly inputs: Readonly<Slots>;
  /** Where the values themselves stand; none for a parameter that the graph has no place for. */
  readonly slots: Slots;
  /** What is ambiguous or leads nowhere; such a parameter has no slots. */
  readonly faults: readonly Fault[];
}

/** Finds where the parameters of one sampler stand; what `choices` names is taken from there instead. */
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
  // at both ends of a link: the primitive's may be too small for it, and other nodes may share the primitive
  slots.seed = distinctSlots([...slots.seed, ...inputs.seed]);
  // one encoder for both (as with cfg 1): the prompt has it
  slots.negative_prompt = slots.negative_prompt.filter((slot) => !slots.prompt.some((other) => sameSlot(slot, other)));
  const companions = companionsOfSize(graph, upstreamOf(graph, outputs), slots);
  slots.width = distinctSlots([...slots.width, ...companions.width]);
  slots.height = distinctSlots([...slots.height, ...companions.height]);
  return { inputs, slots, faults };
}

/** Two parameters at one place cannot both be obeyed. */
export function sharedPlaces(graph: Graph, slots: Readonly<Slots>): Fault[] {
  const all = PARAMETERS.flatMap((parameter) => slots[parameter].map((slot) => ({ parameter, slot })));
  return all.flatMap(({ parameter, slot }, index) => {
    const other = all.slice(index + 1).find((entry) => sameSlot(entry.slot, slot));
    if (other === undefined) return [];
    const place = `${slot.input} of ${describeNode(graph, slot.node)}`;
    return { problem: `${parameter} and ${other.parameter} both come from ${place}: give each a node of its own` };
  });
}
