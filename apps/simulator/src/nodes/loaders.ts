import type { NodeInputs, NodeRunner } from './node.js';
import type { Conditioning, Model } from './values.js';

const checkpoint: NodeRunner = async (inputs, context) => {
  const name = inputs.text('ckpt_name');
  await context.loadModel(name);
  return { outputs: [model(name), { kind: 'clip' }, { kind: 'vae' }] };
};

const diffusionModel: NodeRunner = async (inputs, context) => {
  const name = inputs.text('unet_name');
  await context.loadModel(name);
  return { outputs: [model(name)] };
};

/** Loads the files named by these inputs, one after the other. */
const small =
  (kind: 'clip' | 'vae' | 'controlnet', ...names: readonly string[]): NodeRunner =>
  async (inputs, context) => {
    for (const name of names) await context.loadSmallModel(inputs.text(name));
    return { outputs: [{ kind }] };
  };

const lora: NodeRunner = async (inputs, context) => {
  const base = inputs.get('model', 'model');
  const file = inputs.text('lora_name');
  await context.loadLora(file);
  const name = `${file} ${inputs.text('strength_model', '1.0')}`;
  return { outputs: [{ ...base, loras: [...base.loras, name] }, { kind: 'clip' }] };
};

const passOn: NodeRunner = (inputs) => ({ outputs: [inputs.get('model', 'model')] });

function model(name: string): Model {
  return { kind: 'model', name, loras: [] };
}

export const loaders: Record<string, NodeRunner> = {
  CheckpointLoaderSimple: checkpoint,
  UNETLoader: diffusionModel,
  CLIPLoader: small('clip', 'clip_name'),
  DualCLIPLoader: small('clip', 'clip_name1', 'clip_name2'),
  TripleCLIPLoader: small('clip', 'clip_name1', 'clip_name2', 'clip_name3'),
  CLIPSetLastLayer: () => ({ outputs: [{ kind: 'clip' }] }),
  VAELoader: small('vae', 'vae_name'),
  ControlNetLoader: small('controlnet', 'control_net_name'),
  LoraLoader: lora,
  LoraLoaderModelOnly: lora,
  ModelSamplingFlux: passOn,
  ModelSamplingSD3: passOn,
};

function texts(...parts: readonly string[]): Conditioning {
  return { kind: 'conditioning', texts: parts.filter((part) => part.trim() !== '') };
}

const both =
  (first: string, second: string): NodeRunner =>
  (inputs) => ({
    outputs: [texts(...inputs.get(first, 'conditioning').texts, ...inputs.get(second, 'conditioning').texts)],
  });

const passConditioning = (inputs: NodeInputs) => ({ outputs: [inputs.get('conditioning', 'conditioning')] });

export const conditioning: Record<string, NodeRunner> = {
  CLIPTextEncode: (inputs) => ({ outputs: [texts(inputs.text('text'))] }),
  CLIPTextEncodeFlux: (inputs) => ({ outputs: [texts(inputs.text('t5xxl') || inputs.text('clip_l'))] }),
  CLIPTextEncodeSD3: (inputs) => ({
    outputs: [texts(inputs.text('t5xxl') || inputs.text('clip_l') || inputs.text('clip_g'))],
  }),
  CLIPTextEncodeSDXL: (inputs) => ({
    outputs: [texts(...new Set([inputs.text('text_g'), inputs.text('text_l')]))],
  }),
  CLIPTextEncodeSDXLRefiner: (inputs) => ({ outputs: [texts(inputs.text('text'))] }),
  ConditioningSetTimestepRange: passConditioning,
  FluxGuidance: passConditioning,
  ControlNetApply: passConditioning,
  ControlNetApplyAdvanced: (inputs) => ({
    outputs: [inputs.get('positive', 'conditioning'), inputs.get('negative', 'conditioning')],
  }),
  ConditioningCombine: both('conditioning_1', 'conditioning_2'),
  ConditioningConcat: both('conditioning_to', 'conditioning_from'),
  ConditioningZeroOut: () => ({ outputs: [texts()] }),
};
