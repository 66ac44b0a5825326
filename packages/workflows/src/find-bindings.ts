import { type Bindings, PARAMETERS, type Parameter, type StepWindow } from './bindings.js';
import { type Choices, chosenSlots } from './choices.js';
import { companionsOfSize } from './companions.js';
import { compete } from './compete.js';
import { describeNode, type Graph, linkAt, nodeAt, type Slot, upstreamOf } from './graph.js';
import { namedInputs } from './input-names.js';
import { literalSlot } from './literal.js';
import { findOutputs, findSampling, type Sampling } from './sampling.js';
import { findWindows } from './step-window.js';
import { traceConditioning, traceLatent, traceLoaders } from './trace.js';
import { FileFault, gatherFaults } from './workflow-error.js';

/**
 * Finds where the parameters stand, by what the nodes are and how they are wired; what `choices` names is taken from
 * there instead. Throws a FileFault with everything that is ambiguous or leads nowhere.
 */
export function findBindings(graph: Graph, choices: Choices): Bindings {
  const outputs = findOutputs(graph, choices);
  const sampling = findSampling(graph, outputs, choices);
  const wired = wiredNodes(graph, sampling);
  const slots = Object.fromEntries(PARAMETERS.map((parameter) => [parameter, [] as Slot[]])) as Record<
    Parameter,
    Slot[]
  >;
  const inputs = { ...slots };
  gatherFaults(
    PARAMETERS.map((parameter) => () => {
      inputs[parameter] = chosenSlots(graph, choices, parameter) ?? slotsOf(graph, parameter, wired[parameter]());
      slots[parameter] = distinct(inputs[parameter].map((slot) => literalSlot(graph, slot, parameter)));
    }),
  );
  // one encoder for both (cfg 1): the prompt has it
  slots.negative_prompt = slots.negative_prompt.filter((slot) => !slots.prompt.some((other) => same(slot, other)));
  const companions = companionsOfSize(graph, upstreamOf(graph, outputs), slots);
  slots.width = distinct([...slots.width, ...companions.width]);
  slots.height = distinct([...slots.height, ...companions.height]);
  refuseShared(graph, slots);
  const windows = findWindows(graph, inputs.steps);
  if (choices.denoise === undefined) slots.denoise = [...slots.denoise, ...denoiseOf(windows)];
  return {
    slots,
    prefixes: outputs.map((node) => ({ node, input: 'filename_prefix' })),
    repeatAt: linkAt(nodeAt(graph, sampling.sampler), 'latent_image') && {
      node: sampling.sampler,
      input: 'latent_image',
    },
    windows,
    distilledGuidance: inputs.cfg.some((slot) => slot.input === 'guidance'),
  };
}

/** For each parameter the nodes that the wiring leads to: none, one, or several that compete. */
function wiredNodes(graph: Graph, sampling: Sampling): Record<Parameter, () => readonly string[]> {
  const guider = nodeAt(graph, sampling.guider);
  const positive = () => {
    const links = ['positive', 'conditioning', 'cond1', 'cond2'].map((input) => linkAt(guider, input));
    const traced = links.filter((link) => link !== undefined).map((link) => traceConditioning(graph, link, 'prompt'));
    return {
      encoders: new Set(traced.flatMap(({ encoders }) => [...encoders])),
      guidance: new Set(traced.flatMap(({ guidance }) => [...guidance])),
    };
  };
  const negative = linkAt(guider, 'negative');
  const model = linkAt(guider, 'model');
  const latent = linkAt(nodeAt(graph, sampling.sampler), 'latent_image');
  const source = () =>
    latent === undefined ? { size: undefined, count: undefined, image: undefined } : traceLatent(graph, latent);
  const one = (id: string | undefined) => (id === undefined ? [] : [id]);
  return {
    prompt: () => {
      const { encoders } = positive();
      if (encoders.size > 0) return [...encoders];
      throw new FileFault(
        `no text encoder leads to ${describeNode(graph, sampling.guider)}, so there is nowhere to write the prompt: ` +
          'name the node in the bindings file, {"prompt": "<title or id>"}',
      );
    },
    negative_prompt: () =>
      negative === undefined ? [] : [...traceConditioning(graph, negative, 'negative_prompt').encoders],
    seed: () => one(sampling.seed),
    steps: () => one(sampling.schedule),
    cfg: () => {
      const { guidance } = positive();
      return guidance.size > 0 ? [...guidance] : [sampling.guider];
    },
    sampler_name: () => one(sampling.samplerName),
    scheduler: () => one(sampling.schedule),
    denoise: () => one(sampling.schedule),
    width: () => one(source().size),
    height: () => one(source().size),
    count: () => one(source().count),
    checkpoint: () => (model === undefined ? [] : traceLoaders(graph, model)),
    image: () => one(source().image),
  };
}

function slotsOf(graph: Graph, parameter: Parameter, nodes: readonly string[]): Slot[] {
  if (nodes.length > 1) throw new FileFault(compete(graph, parameter, nodes));
  return nodes.flatMap((node) => namedInputs(nodeAt(graph, node), parameter).map((input) => ({ node, input })));
}

/** Two parameters at one place cannot both be obeyed. */
function refuseShared(graph: Graph, slots: Readonly<Record<Parameter, readonly Slot[]>>): void {
  const all = PARAMETERS.flatMap((parameter) => slots[parameter].map((slot) => ({ parameter, slot })));
  const faults = all.flatMap(({ parameter, slot }, index) => {
    const other = all.slice(index + 1).find((entry) => same(entry.slot, slot));
    if (other === undefined) return [];
    return `${parameter} and ${other.parameter} both come from ${slot.input} of ${describeNode(graph, slot.node)}: give each its own node`;
  });
  if (faults.length > 0) throw new FileFault(...faults);
}

function denoiseOf(windows: readonly StepWindow[]): Slot[] {
  return windows.filter(({ denoises }) => denoises).map(({ node }) => ({ node, input: 'start_at_step' }));
}

const same = (a: Slot, b: Slot): boolean => a.node === b.node && a.input === b.input;

const distinct = (slots: readonly Slot[]): Slot[] =>
  slots.filter((slot, index) => slots.findIndex((other) => same(other, slot)) === index);
