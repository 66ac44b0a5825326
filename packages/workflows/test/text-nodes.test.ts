import { expect, it } from 'vitest';
import { textNodesOf } from '../src/text-nodes.js';

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
