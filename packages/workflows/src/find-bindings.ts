import { type Bindings, PARAMETERS, type Parameter } from './bindings.js';
import { type Choices, chosenSlots } from './choices.js';
import { companionsOfSize } from './companions.js';
import { FileFault, gatherFaults } from './file-fault.js';
import { describeNode, type Graph, linkAt, nodeAt, type Slot, upstreamOf } from './graph.js';
import { literalSlot } from './literal.js';
import { findOutputs, findSampling } from './sampling.js';
import { findWindows } from './step-window.js';
import { traceWiring } from './wiring.js';

type Slots = Record<Parameter, readonly Slot[]>;

/**
 * Finds where the parameters stand, by what the nodes are and how they are wired; what `choices` names is taken from
 * there instead. Throws a FileFault with everything that is ambiguous or leads nowhere.
 */
export function findBindings(graph: Graph, choices: Choices): Bindings {
  const outputs = findOutputs(graph, choices);
  const sampling = findSampling(graph, outputs, choices);
  const wiring = traceWiring(graph, sampling);
  const none = Object.fromEntries(PARAMETERS.map((parameter) => [parameter, []])) as unknown as Slots;
  /** As the nodes have them, and then the values behind those that are links. */
  const inputs = { ...none };
  const slots = { ...none };
  gatherFaults(
    PARAMETERS.map((parameter) => () => {
      inputs[parameter] = chosenSlots(graph, choices, parameter) ?? wiring(parameter);
      slots[parameter] = distinct(inputs[parameter].map((slot) => literalSlot(graph, slot, parameter)));
    }),
  );
  // at both ends of a link: the primitive's may be too small for it, and other nodes may share the primitive
  slots.seed = distinct([...slots.seed, ...inputs.seed]);
  const windows = findWindows(graph, inputs.steps);
  const denoising = windows.filter(({ denoises }) => denoises).map(({ node }) => ({ node, input: 'start_at_step' }));
  if (choices.denoise === undefined) slots.denoise = [...slots.denoise, ...denoising];
  // one encoder for both (as with cfg 1): the prompt has it
  slots.negative_prompt = slots.negative_prompt.filter((slot) => !slots.prompt.some((other) => same(slot, other)));
  const companions = companionsOfSize(graph, upstreamOf(graph, outputs), slots);
  slots.width = distinct([...slots.width, ...companions.width]);
  slots.height = distinct([...slots.height, ...companions.height]);
  refuseShared(graph, slots);
  if (slots.prompt.length === 0) {
    throw new FileFault({
      problem: `no text encoder leads to ${describeNode(graph, sampling.guider)}, so the prompt has no place`,
      settledBy: { prompt: '<title or id>' },
    });
  }
  const latent = linkAt(nodeAt(graph, sampling.sampler), 'latent_image');
  return {
    slots,
    prefixes: outputs.map((node) => ({ node, input: 'filename_prefix' })),
    repeatAt: latent && { node: sampling.sampler, input: 'latent_image' },
    windows,
    distilledGuidance: inputs.cfg.some(({ input }) => input === 'guidance'),
  };
}

/** Two parameters at one place cannot both be obeyed. */
function refuseShared(graph: Graph, slots: Slots): void {
  const all = PARAMETERS.flatMap((parameter) => slots[parameter].map((slot) => ({ parameter, slot })));
  const faults = all.flatMap(({ parameter, slot }, index) => {
    const other = all.slice(index + 1).find((entry) => same(entry.slot, slot));
    if (other === undefined) return [];
    const place = `${slot.input} of ${describeNode(graph, slot.node)}`;
    return `${parameter} and ${other.parameter} both come from ${place}: give each a node of its own`;
  });
  if (faults.length > 0) throw new FileFault(...faults);
}

const same = (a: Slot, b: Slot): boolean => a.node === b.node && a.input === b.input;

const distinct = (slots: readonly Slot[]): Slot[] =>
  slots.filter((slot, index) => slots.findIndex((other) => same(other, slot)) === index);
