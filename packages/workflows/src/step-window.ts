import type { StepWindow } from './bindings.js';
import { type Graph, type GraphNode, nodeAt, type Slot } from './graph.js';
import { literalSlot } from './locate-parameters.js';

/** The most steps that ComfyUI accepts. */
const MAX_STEPS = 10_000;

/** The KSamplerAdvanced nodes whose steps are set, unless other nodes calculate their window. */
export function findWindows(graph: Graph, steps: readonly Slot[]): StepWindow[] {
  return steps.flatMap(({ node: id, input }) => {
    const inputs = nodeAt(graph, id).inputs;
    const { start_at_step: start, end_at_step: end } = inputs;
    const plain = literalSlot(graph, { node: id, input }, 'steps');
    const total = nodeAt(graph, plain.node).inputs[plain.input];
    if (typeof start !== 'number' || typeof end !== 'number' || typeof total !== 'number') return [];
    return [{ node: id, steps: total, start, end, denoises: inputs.add_noise !== 'disable' && end >= total }];
  });
}

/** The template's window in the terms of a request: executed steps, and denoise. */
export function readWindow({ steps, start }: StepWindow): { steps: number; denoise: number } {
  const worked = Math.max(1, steps - start);
  return { steps: worked, denoise: worked / Math.max(worked, steps) };
}

/**
 * Writes steps and denoise into a KSamplerAdvanced. As in KSampler, `steps` are the executed steps: with a denoise of d
 * they are the last of floor(steps / d). denoise 0 executes none and returns the latent.
 */
export function setWindow(node: GraphNode, window: StepWindow, steps: number, denoise: number): void {
  if (window.denoises) {
    const total = denoise > 0 ? Math.min(MAX_STEPS, Math.floor(steps / denoise)) : steps;
    node.inputs.steps = total;
    node.inputs.start_at_step = denoise > 0 ? total - steps : steps;
    return;
  }
  const share = (step: number): number => Math.round((step * steps) / window.steps);
  node.inputs.start_at_step = share(window.start);
  if (window.end < window.steps) node.inputs.end_at_step = share(window.end);
}
