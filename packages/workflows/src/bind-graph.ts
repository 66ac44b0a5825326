import { FleetError, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { Parameter } from './bindings.js';
import { type Graph, nodeAt } from './graph.js';
import { setWindow } from './step-window.js';
import type { Template } from './template.js';

/** PrimitiveInt takes no more than 2^63−1; samplers take seeds up to 2^64−1. */
const PRIMITIVE_BITS = 63;

export interface BindOptions {
  /** Beginning of the names under which ComfyUI keeps the pictures. */
  readonly filenamePrefix: string;
  /** Name of the uploaded picture, as ComfyUI answered it; needed for templates that start from a picture. */
  readonly inputName?: string;
}

/** A fresh graph with the request's values, ready for `POST /prompt`. The seed in it is a bigint. */
export function bindGraph(template: Template, request: ResolvedRequest, options: BindOptions): Graph {
  const { slots, prefixes, windows } = template.bindings;
  const values: Record<Parameter, unknown> = {
    prompt: request.prompt,
    negative_prompt: request.negativePrompt,
    seed: BigInt(request.seed),
    steps: request.steps,
    cfg: request.cfg,
    sampler_name: request.sampler,
    scheduler: request.scheduler,
    denoise: request.denoise,
    width: request.width,
    height: request.height,
    count: request.count,
    checkpoint: request.checkpoint,
    image: options.inputName,
  };
  if (slots.image.length > 0 && options.inputName === undefined) {
    throw new FleetError('input_missing', `The workflow ${template.name} starts from a picture, and there is none.`);
  }
  const graph = copyOf(template.graph);
  for (const [parameter, places] of Object.entries(slots)) {
    for (const { node, input } of places) nodeAt(graph, node).inputs[input] = values[parameter as Parameter];
  }
  for (const { node, input } of slots.seed) {
    if (input === 'value') nodeAt(graph, node).inputs[input] = BigInt.asUintN(PRIMITIVE_BITS, BigInt(request.seed));
  }
  for (const { node, input } of prefixes) nodeAt(graph, node).inputs[input] = options.filenamePrefix;
  for (const window of windows) setWindow(nodeAt(graph, window.node), window, request.steps, request.denoise);
  if (slots.count.length === 0 && request.count > 1) repeatLatent(graph, template, request.count);
  return graph;
}

/** Only inputs are set, so links and titles are the template's own: copying them as well took most of the time. */
function copyOf(graph: Readonly<Graph>): Graph {
  const nodes = Object.entries(graph).map(([id, node]) => [id, { ...node, inputs: { ...node.inputs } }] as const);
  return Object.fromEntries(nodes);
}

/** An encoded picture is one latent: for more pictures it is repeated, each getting its own noise from the one seed. */
function repeatLatent(graph: Graph, { bindings }: Template, count: number): void {
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
