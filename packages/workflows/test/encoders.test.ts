import { describe, expect, it } from 'vitest';
import { encodingOf, openGraph, textNodesOf } from '../src/index.js';
import { INPUT, loadAs, resolve, workflowCalled } from './requests.js';

const node = (class_type: string, inputs: Record<string, unknown>) => ({ class_type, inputs });

it('finds the sampler of a graph and the encoders of both texts', () => {
  const nodes = textNodesOf({
    '4': node('CheckpointLoaderSimple', { ckpt_name: 'sd.safetensors' }),
    '5': node('EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }),
    '6': node('CLIPTextEncode', { text: 'a fox', clip: ['4', 1] }),
    '7': node('CLIPTextEncode', { text: 'blurry', clip: ['4', 1] }),
    '3': node('KSampler', { model: ['4', 0], positive: ['6', 0], negative: ['7', 0], latent_image: ['5', 0] }),
  });
  expect(nodes).toEqual({ samplers: new Set(['3']), encoders: new Set(['6', '7']) });
});

it('counts custom nodes that make the conditioning as encoders', () => {
  const { encoders } = textNodesOf({
    '1': node('UNETLoader', { unet_name: 'video.safetensors' }),
    '2': node('MyTextEncoder', { words: 'a fox', model_name: 'umt5.safetensors' }),
    '3': node('EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }),
    '4': node('KSampler', { model: ['1', 0], positive: ['2', 0], negative: ['2', 1], latent_image: ['3', 0] }),
  });
  expect(encoders).toEqual(new Set(['2']));
});

it('counts the encoder of a picture that guides the sampler', () => {
  const { encoders } = textNodesOf({
    '1': node('CLIPTextEncode', { text: 'a fox', clip: ['4', 1] }),
    '2': node('CLIPVisionEncode', { clip_vision: ['5', 0], image: ['6', 0], crop: 'center' }),
    '3': node('unCLIPConditioning', { conditioning: ['1', 0], clip_vision_output: ['2', 0], strength: 1 }),
    '4': node('unCLIPCheckpointLoader', { ckpt_name: 'sd21-unclip.safetensors' }),
    '5': node('CLIPVisionLoader', { clip_name: 'clip_vision.safetensors' }),
    '6': node('LoadImage', { image: 'fox.png' }),
    '7': node('EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }),
    '8': node('KSampler', { model: ['4', 0], positive: ['3', 0], negative: ['1', 0], latent_image: ['7', 0] }),
  });
  expect(encoders).toEqual(new Set(['1', '2']));
});

it('follows the guider of a custom sampler through FluxGuidance', () => {
  const nodes = textNodesOf({
    '1': node('UNETLoader', { unet_name: 'flux.safetensors' }),
    '2': node('DualCLIPLoader', { clip_name1: 't5.safetensors', clip_name2: 'l.safetensors' }),
    '3': node('CLIPTextEncode', { text: 'a fox', clip: ['2', 0] }),
    '4': node('FluxGuidance', { conditioning: ['3', 0], guidance: 3.5 }),
    '5': node('BasicGuider', { model: ['1', 0], conditioning: ['4', 0] }),
    '6': node('EmptySD3LatentImage', { width: 512, height: 512, batch_size: 1 }),
    '7': node('SamplerCustomAdvanced', { guider: ['5', 0], latent_image: ['6', 0] }),
  });
  expect(nodes).toEqual({ samplers: new Set(['7']), encoders: new Set(['3']) });
});

describe('what a picture encodes', () => {
  it.each(['ksampler-advanced', 'flux-dev', 'sampler-custom', 'controlnet', 'sdxl-lora'])(
    'depends in %s on the text, but not on what only the sampler takes',
    async (fixture) => {
      const workflows = await loadAs('text2img', fixture);
      const workflow = workflowCalled(workflows, 'text2img');
      const encoding = (over: object) =>
        encodingOf(workflow, resolve('text2img', { prompt: 'a fox', seed: 1, ...over }, workflows));
      const usual = encoding({});
      expect(usual).toMatch(/^[\w-]{8}$/);
      expect(encoding({ seed: 2, steps: 9 })).toBe(usual);
      expect(encoding({ prompt: 'a cat' })).not.toBe(usual);
    },
  );

  it('depends on the picture that the VAE encodes, but not on how much of it stays', async () => {
    const workflows = await loadAs('img2img', 'img2img-advanced');
    const workflow = workflowCalled(workflows, 'img2img');
    const encoding = (over: object, input = INPUT) =>
      encodingOf(workflow, resolve('img2img', { prompt: 'a fox', ...over }, workflows, { input }));
    expect(encoding({ denoise: 0.3, seed: 2 })).toBe(encoding({ denoise: 0.9, seed: 1 }));
    expect(encoding({}, { ...INPUT, name: `${'e'.repeat(64)}.png` })).not.toBe(encoding({}));
  });
});

describe('what a graph of a caller encodes', () => {
  const graph = ({ text = 'a fox', seed = 1, width = 512, upscaled = false } = {}) => ({
    1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'a.safetensors' } },
    2: { class_type: 'CLIPTextEncode', inputs: { clip: ['1', 1], text } },
    3: { class_type: 'EmptyLatentImage', inputs: { width, height: 512, batch_size: 1 } },
    4: {
      class_type: 'KSampler',
      inputs: {
        ...{ model: ['1', 0], positive: ['2', 0], negative: ['2', 0], latent_image: ['3', 0] },
        ...{ seed, steps: 8, cfg: 5, sampler_name: 'euler', scheduler: 'normal', denoise: 1 },
      },
    },
    5: { class_type: 'VAEDecode', inputs: { samples: ['4', 0], vae: ['1', 2] } },
    6: { class_type: 'SaveImage', inputs: { images: ['5', 0], filename_prefix: 'fox' } },
    ...(upscaled ? { 7: { class_type: 'VAEEncode', inputs: { pixels: ['5', 0], vae: ['1', 2] } } } : {}),
  });
  const encoding = (json: object) => {
    const { workflow, inputs, shape } = openGraph(json, { catalogue: undefined });
    return encodingOf(workflow, {
      ...{ workflow: 'graph', version: workflow.version, shape, lod: 'mid', priority: 0, metadata: {} },
      inputs,
    });
  };

  it('depends on its text, but not on its seed and size, even if a sampled picture is encoded again', () => {
    expect(encoding(graph({ seed: 2, width: 640 }))).toBe(encoding(graph()));
    expect(encoding(graph({ text: 'a cat' }))).not.toBe(encoding(graph()));
    expect(encoding(graph({ seed: 2, upscaled: true }))).toBe(encoding(graph({ upscaled: true })));
  });

  it('is nothing if it neither samples nor encodes', () => {
    const inverted = {
      1: { class_type: 'LoadImage', inputs: { image: 'fox.png' } },
      2: { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
      3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'fox' } },
    };
    expect(encoding(inverted)).toBeUndefined();
  });
});
