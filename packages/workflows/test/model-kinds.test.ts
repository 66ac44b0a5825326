import type { Abilities } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { loaderInputsOf, modelKindAt, withoutModels } from '../src/model-kinds.js';
import { NODE_TABLE } from '../src/nodes/node-table.js';

const ABILITIES: Abilities = {
  CheckpointLoaderSimple: { ckpt_name: ['sdxl.safetensors'] },
  LoraLoader: { lora_name: ['detail.safetensors', 'grain.safetensors'] },
  GLIGENLoader: { gligen_name: [] },
  KSampler: { sampler_name: ['euler'] },
  'Power Lora Loader': { lora: ['None', 'grain.safetensors', 'detail.safetensors'], mode: ['None'] },
  'Empty Loader': { model: [] },
};

it('tells the kind of an input of a core loader, whatever it lists', () => {
  expect(modelKindAt('GLIGENLoader', 'gligen_name', ABILITIES)).toBe('gligen');
  expect(modelKindAt('QuadrupleCLIPLoader', 'clip_name4', {})).toBe('text_encoders');
  expect(modelKindAt('KSampler', 'sampler_name', ABILITIES)).toBeUndefined();
});

it('counts an input of a custom node if it lists the files of a core loader, in any order and with None', () => {
  expect(modelKindAt('Power Lora Loader', 'lora', ABILITIES)).toBe('loras');
  expect(modelKindAt('Power Lora Loader', 'mode', ABILITIES)).toBeUndefined();
  expect(modelKindAt('Empty Loader', 'model', ABILITIES)).toBeUndefined();
});

it('does not guess the kind of a custom node if two kinds list the same files', () => {
  const alike = { ...ABILITIES, VAELoader: { vae_name: ['grain.safetensors', 'detail.safetensors'] } };
  expect(modelKindAt('Power Lora Loader', 'lora', alike)).toBeUndefined();
});

it('lists all inputs of an instance that list a kind', () => {
  expect(loaderInputsOf('loras', ABILITIES)).toEqual([
    { className: 'LoraLoader', input: 'lora_name' },
    { className: 'Power Lora Loader', input: 'lora' },
  ]);
});

it('takes models out of the lists of their kind', () => {
  const less = withoutModels(ABILITIES, new Set(['loras/grain.safetensors', 'vae/detail.safetensors']));
  expect(less).toEqual({
    ...ABILITIES,
    LoraLoader: { lora_name: ['detail.safetensors'] },
    'Power Lora Loader': { lora: ['None', 'detail.safetensors'], mode: ['None'] },
  });
  expect(withoutModels(ABILITIES, new Set())).toBe(ABILITIES);
});

it('knows every input that the node table calls a model, except those of kinds that cannot be registered', () => {
  const models = [...NODE_TABLE].flatMap(([name, { inputs }]) =>
    Object.entries(inputs).flatMap(([input, kind]) => (kind === 'model' ? [[name, input] as const] : [])),
  );
  const unknown = models.filter(([name, input]) => modelKindAt(name, input, {}) === undefined);
  expect(unknown.map((place) => place.join('.'))).toEqual([
    'CheckpointLoader.config_name',
    'FrameInterpolationModelLoader.model_name',
    'LoadBackgroundRemovalModel.bg_removal_name',
    'LoadDA3Model.model_name',
    'LoadMediaPipeFaceLandmarker.model_name',
    'LoadMoGeModel.model_name',
    'OpticalFlowLoader.model_name',
  ]);
});
