import type { NodeRunner } from './node.js';
import type { Model } from './values.js';

const checkpoint: NodeRunner = async (inputs, context) => {
  await context.loadModel();
  return { outputs: [model(inputs.text('ckpt_name')), { kind: 'clip' }, { kind: 'vae' }] };
};

const diffusionModel: NodeRunner = async (inputs, context) => {
  await context.loadModel();
  return { outputs: [model(inputs.text('unet_name'))] };
};

const lora: NodeRunner = (inputs) => {
  const base = inputs.get('model', 'model');
  const name = `${inputs.text('lora_name')} ${inputs.text('strength_model', '1.0')}`;
  return { outputs: [{ ...base, loras: [...base.loras, name] }, { kind: 'clip' }] };
};

const passOn: NodeRunner = (inputs) => ({ outputs: [inputs.get('model', 'model')] });

function model(name: string): Model {
  return { kind: 'model', name, loras: [] };
}

export const loaders: Record<string, NodeRunner> = {
  CheckpointLoaderSimple: checkpoint,
  UNETLoader: diffusionModel,
  CLIPLoader: () => ({ outputs: [{ kind: 'clip' }] }),
  DualCLIPLoader: () => ({ outputs: [{ kind: 'clip' }] }),
  TripleCLIPLoader: () => ({ outputs: [{ kind: 'clip' }] }),
  CLIPSetLastLayer: () => ({ outputs: [{ kind: 'clip' }] }),
  VAELoader: () => ({ outputs: [{ kind: 'vae' }] }),
  ControlNetLoader: () => ({ outputs: [{ kind: 'controlnet' }] }),
  LoraLoader: lora,
  LoraLoaderModelOnly: lora,
  ModelSamplingFlux: passOn,
  ModelSamplingSD3: passOn,
};
