import type { NodeInputs, NodeRunner } from './node.js';
import type { Clip, Conditioning, Model } from './values.js';

/** The text encoder of a checkpoint is moved into the memory apart from its model, so it has a name of its own. */
const clipIn = (checkpoint: string) => `${checkpoint}/clip`;

const checkpoint: NodeRunner = async (inputs, context) => {
  const name = inputs.text('ckpt_name');
  await context.loadModel(name);
  return { outputs: [model(name), { kind: 'clip', files: [clipIn(name)] }, { kind: 'vae' }] };
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
    const files = names.map((name) => inputs.text(name));
    for (const file of files) await context.loadSmallModel(file);
    return { outputs: [kind === 'clip' ? { kind, files } : { kind }] };
  };

const lora: NodeRunner = async (inputs, context) => {
  const base = inputs.get('model', 'model');
  const file = inputs.text('lora_name');
  await context.loadLora(file);
  const name = `${file} ${inputs.text('strength_model', '1.0')}`;
  return { outputs: [{ ...base, loras: [...base.loras, name] }, clipOf(inputs)] };
};

/** A LoRA or another layer leaves the text encoders in their files. */
function clipOf(inputs: NodeInputs): Clip {
  return inputs.find('clip', 'clip') ?? { kind: 'clip', files: [] };
}

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
  CLIPSetLastLayer: (inputs) => ({ outputs: [clipOf(inputs)] }),
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

/** Encodes the texts of a node with its text encoders. */
const encode =
  (textsIn: (inputs: NodeInputs) => readonly string[]): NodeRunner =>
  async (inputs, context) => {
    await context.encode(clipOf(inputs).files);
    return { outputs: [texts(...textsIn(inputs))] };
  };

const both =
  (first: string, second: string): NodeRunner =>
  (inputs) => ({
    outputs: [texts(...inputs.get(first, 'conditioning').texts, ...inputs.get(second, 'conditioning').texts)],
  });

const passConditioning = (inputs: NodeInputs) => ({ outputs: [inputs.get('conditioning', 'conditioning')] });

export const conditioning: Record<string, NodeRunner> = {
  CLIPTextEncode: encode((inputs) => [inputs.text('text')]),
  CLIPTextEncodeFlux: encode((inputs) => [inputs.text('t5xxl') || inputs.text('clip_l')]),
  CLIPTextEncodeSD3: encode((inputs) => [inputs.text('t5xxl') || inputs.text('clip_l') || inputs.text('clip_g')]),
  CLIPTextEncodeSDXL: encode((inputs) => [...new Set([inputs.text('text_g'), inputs.text('text_l')])]),
  CLIPTextEncodeSDXLRefiner: encode((inputs) => [inputs.text('text')]),
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
