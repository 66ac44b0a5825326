import { type Bindings, PARAMETERS, type Parameter } from './bindings.js';
import type { Choices } from './choices.js';
import { samplersOf } from './describe/by-wiring.js';
import { type FoundOutput, outputNodes } from './describe/find-outputs.js';
import { type FoundInput, inputName } from './describe/found-input.js';
import { FileFault } from './file-fault.js';
import { describeNode, type Graph, linkAt, nodeAt, type Slot, sameSlot } from './graph.js';
import { locateParameters, sharedPlaces } from './locate-parameters.js';
import { reviewedKind } from './nodes/node-table.js';
import { findOutputs, findSampler, samplingOf } from './sampling.js';
import { findWindows } from './step-window.js';

/**
 * Finds the places of the parameters by node classes and wiring; what `choices` names takes precedence. Throws a
 * FileFault with everything that is ambiguous or leads nowhere.
 */
export function findBindings(graph: Graph, choices: Choices): Bindings {
  const outputs = findOutputs(graph, choices);
  const sampling = samplingOf(graph, findSampler(graph, outputs, choices));
  const { inputs, slots, faults } = locateParameters(graph, outputs, sampling, choices);
  if (faults.length > 0) throw new FileFault(...faults);
  const windows = findWindows(graph, inputs.steps);
  const denoising = windows.filter(({ denoises }) => denoises).map(({ node }) => ({ node, input: 'start_at_step' }));
  if (choices.denoise === undefined) slots.denoise = [...slots.denoise, ...denoising];
  const shared = sharedPlaces(graph, slots);
  if (shared.length > 0) throw new FileFault(...shared);
  if (slots.prompt.length === 0) {
    throw new FileFault({
      problem: `no text encoder leads to ${describeNode(graph, sampling.guider)}, so the prompt has no place`,
      settledBy: { prompt: '<title or id>' },
    });
  }
  const latent = linkAt(nodeAt(graph, sampling.sampler), 'latent_image');
  return {
    slots,
    prefixes: prefixesOf(graph),
    repeatAt: latent && { node: sampling.sampler, input: 'latent_image' },
    windows,
    distilledGuidance: inputs.cfg.some(({ input }) => input === 'guidance'),
  };
}

const NOWHERE = Object.fromEntries(PARAMETERS.map((name) => [name, []])) as unknown as Bindings['slots'];

/** The bindings of a graph that is run once as it is. */
export function noUsualBindings(graph: Graph): Bindings {
  return { slots: NOWHERE, prefixes: prefixesOf(graph), repeatAt: undefined, windows: [], distilledGuidance: false };
}

interface Found {
  readonly inputs: readonly FoundInput[];
  readonly outputs: readonly FoundOutput[];
  readonly choices: Choices;
}

/** The places of the usual parameters of a workflow; those that it lacks have none. */
export function findUsualBindings(graph: Graph, { inputs, outputs, choices }: Found): Bindings {
  const called = (parameter: Parameter) => inputs.find(({ name }) => name === inputName(parameter))?.slots ?? [];
  const slots = Object.fromEntries(PARAMETERS.map((parameter) => [parameter, called(parameter)])) as Record<
    Parameter,
    readonly Slot[]
  >;
  const ids = outputs.map(({ node }) => node);
  const located = samplersOf(graph, ids, choices).map((sampler) =>
    locateParameters(graph, ids, samplingOf(graph, sampler), choices),
  );
  const follow = (parameter: Parameter) =>
    located.filter((one) => one.slots[parameter].some((slot) => slots[parameter].some((mine) => sameSlot(slot, mine))));
  // The name may have been given to another picture, such as a style reference.
  const isLatent = located.some((one) =>
    one.slots.image.some((slot) => slots.image.some((mine) => sameSlot(slot, mine))),
  );
  return {
    slots: isLatent ? slots : { ...slots, image: [] },
    prefixes: prefixesOf(graph),
    // Only /generate and /img2img support a count without one in the graph.
    repeatAt: undefined,
    windows: findWindows(
      graph,
      follow('steps').flatMap((one) => one.inputs.steps),
    ),
    distilledGuidance: follow('cfg').some((one) => one.inputs.cfg.some(({ input }) => input === 'guidance')),
  };
}

/** Nodes of ComfyUI 0.33 that show files and pass them on. */
const SHOWS = /Preview|Compare|Compositor|BoundingBoxes/;

/**
 * The inputs for the prefix of nodes' files, which we always set. ComfyUI ignores an input that the class does not
 * have, but then does not use its cache, so no node shows a file of an earlier submission.
 */
function prefixesOf(graph: Graph): Slot[] {
  const outputs = new Set(outputNodes(graph));
  return Object.entries(graph).flatMap(([node, { class_type, inputs }]) => {
    const isPrefix = (input: string) => input === 'filename_prefix' || reviewedKind(class_type, input) === 'prefix';
    const named = Object.keys(inputs).filter(isPrefix);
    const writes = outputs.has(node) || SHOWS.test(class_type);
    return (named.length === 0 && writes ? ['filename_prefix'] : named).map((input) => ({ node, input }));
  });
}
