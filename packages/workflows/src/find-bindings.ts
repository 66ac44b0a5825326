import type { Bindings } from './bindings.js';
import type { Choices } from './choices.js';
import { FileFault } from './file-fault.js';
import { describeNode, type Graph, linkAt, nodeAt } from './graph.js';
import { locateParameters, sharedPlaces } from './locate-parameters.js';
import { prefixesOf } from './prefixes.js';
import { findOutputs, findSampler, samplingOf } from './sampling.js';
import { findWindows } from './step-window.js';

/**
 * Finds where the parameters stand, by what the nodes are and how they are wired; what `choices` names is taken from
 * there instead. Throws a FileFault with everything that is ambiguous or leads nowhere.
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
