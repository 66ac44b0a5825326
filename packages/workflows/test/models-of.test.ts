import { describe, expect, it } from 'vitest';
import { loadersOf, mainModelsOf, modelsNeeded, modelsOf, openGraph, type Workflows } from '../src/index.js';
import { loadAs, resolve, workflowCalled } from './requests.js';

const asked = (workflows: Workflows) =>
  resolve('text2img', { prompt: 'a fox', checkpoint: 'asked.safetensors' }, workflows);

describe('modelsOf', () => {
  it.each([
    ['sdxl-lora', ['asked.safetensors', 'film_grain.safetensors', 'sd_xl_offset_example-lora_1.0.safetensors']],
    ['flux-dev', ['asked.safetensors', 't5xxl_fp16.safetensors', 'clip_l.safetensors', 'ae.safetensors']],
    ['controlnet', ['asked.safetensors', 'control_v11f1p_sd15_depth.pth']],
  ])(
    'names each file that %s loads, the checkpoint that was asked for in the place of its own',
    async (fixture, files) => {
      const workflows = await loadAs('text2img', fixture);
      const models = modelsOf(workflowCalled(workflows, 'text2img'), asked(workflows));
      expect([...models].sort()).toEqual([...files].sort());
    },
  );
});

it('distinguishes nodes that load models by themselves from those that depend on others', async () => {
  const workflows = await loadAs('text2img', 'sdxl-lora');
  const loaders = loadersOf(workflowCalled(workflows, 'text2img'), asked(workflows));
  const linked = new Map([...loaders.values()].flatMap(({ files, isLinked }) => files.map((file) => [file, isLinked])));
  expect(linked.get('asked.safetensors')).toBe(false);
  expect(linked.get('film_grain.safetensors')).toBe(true);
});

it('counts no text of a class of ComfyUI that only looks like the name of a model, but any of a custom class', async () => {
  const { workflow } = openGraph(
    {
      1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'base.safetensors', odd: 'odd.safetensors' } },
      2: { class_type: 'VAELoader', inputs: { vae_name: 'vae.safetensors' } },
      3: { class_type: 'PrimitiveString', inputs: { value: 'text.safetensors' } },
      4: { class_type: 'SaveImage', inputs: { images: ['5', 0], filename_prefix: 'prefix.safetensors' } },
      5: { class_type: 'CustomLoader', inputs: { any: 'custom.safetensors' } },
    },
    { catalogue: undefined },
  );
  const request = { ...asked(await loadAs('text2img', 'sdxl-lora')), inputs: {} };
  expect(modelsOf(workflow, request)).toEqual(['base.safetensors', 'vae.safetensors', 'custom.safetensors']);
});

it('tells the kind of each file by the input that names it', async () => {
  const workflows = await loadAs('text2img', 'sdxl-lora');
  const needed = modelsNeeded(workflowCalled(workflows, 'text2img'), asked(workflows), {});
  expect(needed.map(({ kind, name }) => `${kind}/${name}`).sort()).toEqual([
    'checkpoints/asked.safetensors',
    'loras/film_grain.safetensors',
    'loras/sd_xl_offset_example-lora_1.0.safetensors',
  ]);
});

it.each([
  ['a checkpoint', 'base.safetensors', true],
  ['a diffusion model', 'flux.gguf', true],
  ['a LoRA', 'grain.safetensors', false],
])('says of %s whether it is a main model', (_what, file, isMain) => {
  const abilities = {
    CheckpointLoaderSimple: { ckpt_name: ['base.safetensors'] },
    UnetLoaderGGUF: { unet_name: ['flux.gguf'] },
    LoraLoader: { lora_name: ['grain.safetensors'] },
  };
  expect(mainModelsOf(abilities).has(file)).toBe(isMain);
});
