import type { Parameter } from './bindings.js';
import type { GraphNode } from './graph.js';

/** Inputs of text encoders for the prompt; encoders for several text models have several, and all get it. */
const TEXTS = [
  'text',
  'text_g',
  'text_l',
  'clip_l',
  'clip_g',
  't5xxl',
  'llama',
  'bert',
  'mt5xl',
  'prompt',
  'user_prompt',
];

/** The names of each parameter in ComfyUI's nodes, besides `value` in primitive nodes. */
const NAMES: Readonly<Record<Parameter, readonly string[]>> = {
  prompt: TEXTS,
  negative_prompt: TEXTS,
  seed: ['seed', 'noise_seed'],
  steps: ['steps'],
  cfg: ['cfg', 'guidance'],
  sampler_name: ['sampler_name'],
  scheduler: ['scheduler'],
  denoise: ['denoise'],
  width: ['width'],
  height: ['height'],
  count: ['batch_size', 'amount'],
  checkpoint: ['ckpt_name', 'unet_name'],
  image: ['image'],
};

/** The inputs of `node` that carry `parameter`. */
export function inputsFor(node: GraphNode, parameter: Parameter): string[] {
  const named = NAMES[parameter].filter((input) => input in node.inputs);
  return named.length === 0 && 'value' in node.inputs ? ['value'] : named;
}

/** The inputs of `node` whose names identify `parameter`. */
export function namedInputs(node: GraphNode, parameter: Parameter): string[] {
  return NAMES[parameter].filter((input) => input in node.inputs);
}

export const TEXT_PARAMETERS: ReadonlySet<Parameter> = new Set<Parameter>([
  'prompt',
  'negative_prompt',
  'sampler_name',
  'scheduler',
  'checkpoint',
  'image',
]);
