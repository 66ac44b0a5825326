import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../src/python.js';
import { plainImage } from './graphs.js';
import { ending, filesOf, Running } from './running.js';

const node = (class_type: string, inputs: JsonObject): JsonObject => ({ class_type, inputs });
const checkpoint = node('CheckpointLoaderSimple', { ckpt_name: 'sd_xl_base_1.0.safetensors' });
const text = (words: string, clip: Json = ['1', 1]) => node('CLIPTextEncode', { clip, text: words });
const latent = (width = 128, height = 64) => node('EmptyLatentImage', { width, height, batch_size: 1 });
const sampler = (more: JsonObject = {}) =>
  node('KSampler', {
    seed: 1,
    steps: 2,
    cfg: 7,
    sampler_name: 'euler',
    scheduler: 'normal',
    denoise: 1,
    model: ['1', 0],
    positive: ['2', 0],
    negative: ['3', 0],
    latent_image: ['4', 0],
    ...more,
  });
const decode = (samples: Json = ['5', 0], vae: Json = ['1', 2]) => node('VAEDecode', { samples, vae });
const save = (images: Json = ['6', 0]) => node('SaveImage', { images, filename_prefix: 'node' });

const basic = {
  '1': checkpoint,
  '2': text('a fox'),
  '3': text('blurry'),
  '4': latent(),
  '5': sampler(),
  '6': decode(),
  '7': save(),
};

const flux: JsonObject = {
  '1': node('UNETLoader', { unet_name: 'flux1-dev.safetensors', weight_dtype: 'default' }),
  '2': node('DualCLIPLoader', { clip_name1: 'clip_l.safetensors', clip_name2: 't5xxl_fp16.safetensors', type: 'flux' }),
  '3': node('VAELoader', { vae_name: 'ae.safetensors' }),
  '4': node('EmptySD3LatentImage', { width: 128, height: 64, batch_size: 2 }),
  '5': node('CLIPTextEncodeFlux', { clip: ['2', 0], clip_l: 'a fox', t5xxl: 'a fox in snow', guidance: 3.5 }),
  '6': node('FluxGuidance', { conditioning: ['5', 0], guidance: 3.5 }),
  '7': node('ModelSamplingFlux', { model: ['1', 0], max_shift: 1.15, base_shift: 0.5, width: 128, height: 64 }),
  '8': node('BasicGuider', { model: ['7', 0], conditioning: ['6', 0] }),
  '9': node('RandomNoise', { noise_seed: 18_446_744_073_709_551_615n }),
  '10': node('KSamplerSelect', { sampler_name: 'euler' }),
  '11': node('BasicScheduler', { model: ['7', 0], scheduler: 'simple', steps: 3, denoise: 1 }),
  '12': node('SamplerCustomAdvanced', {
    noise: ['9', 0],
    guider: ['8', 0],
    sampler: ['10', 0],
    sigmas: ['11', 0],
    latent_image: ['4', 0],
  }),
  '13': decode(['12', 0], ['3', 0]),
  '14': save(['13', 0]),
};

const cases: Record<string, { graph: JsonObject; size: [number, number]; pictures?: number; steps: number }> = {
  'text to image': { graph: basic, size: [128, 64], steps: 2 },
  'Flux with SamplerCustomAdvanced': { graph: flux, size: [128, 64], pictures: 2, steps: 3 },
  'CFGGuider in the place of BasicGuider': {
    graph: { ...flux, '8': node('CFGGuider', { model: ['7', 0], positive: ['6', 0], negative: ['5', 0], cfg: 4 }) },
    size: [128, 64],
    pictures: 2,
    steps: 3,
  },
  SamplerCustom: {
    graph: {
      ...basic,
      '5': node('SamplerCustom', {
        model: ['1', 0],
        add_noise: true,
        noise_seed: 3,
        cfg: 6,
        positive: ['2', 0],
        negative: ['3', 0],
        sampler: ['10', 0],
        sigmas: ['11', 0],
        latent_image: ['4', 0],
      }),
      '10': node('KSamplerSelect', { sampler_name: 'euler' }),
      '11': node('BasicScheduler', { model: ['1', 0], scheduler: 'simple', steps: 5, denoise: 0.5 }),
    },
    size: [128, 64],
    steps: 5,
  },
  'KSamplerAdvanced from step 2 to 6 of 8': {
    graph: {
      ...basic,
      '5': node('KSamplerAdvanced', {
        ...(sampler().inputs as JsonObject),
        add_noise: 'enable',
        noise_seed: 4,
        steps: 8,
        start_at_step: 2,
        end_at_step: 6,
        return_with_leftover_noise: 'disable',
      }),
    },
    size: [128, 64],
    steps: 4,
  },
  'LoRA chain, skipped clip layer, ControlNet, combined texts': {
    graph: {
      ...basic,
      '2': text('a fox', ['22', 0]),
      '20': node('LoraLoader', {
        model: ['1', 0],
        clip: ['1', 1],
        lora_name: 'add_detail.safetensors',
        strength_model: 1,
        strength_clip: 1,
      }),
      '21': node('LoraLoaderModelOnly', { model: ['20', 0], lora_name: 'film_grain.safetensors', strength_model: 0.5 }),
      '22': node('CLIPSetLastLayer', { clip: ['20', 1], stop_at_clip_layer: -2 }),
      '23': node('ControlNetLoader', { control_net_name: 'control_canny.safetensors' }),
      '24': node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: 0 }),
      '25': node('ControlNetApplyAdvanced', {
        positive: ['26', 0],
        negative: ['28', 0],
        control_net: ['23', 0],
        image: ['24', 0],
        strength: 1,
        start_percent: 0,
        end_percent: 1,
      }),
      '26': node('ConditioningCombine', { conditioning_1: ['2', 0], conditioning_2: ['27', 0] }),
      '27': node('ConditioningConcat', { conditioning_to: ['2', 0], conditioning_from: ['3', 0] }),
      '28': node('ConditioningZeroOut', { conditioning: ['29', 0] }),
      '29': node('ControlNetApply', { conditioning: ['3', 0], control_net: ['23', 0], image: ['24', 0], strength: 1 }),
      '5': sampler({ model: ['21', 0], positive: ['25', 0], negative: ['25', 1] }),
    },
    size: [128, 64],
    steps: 2,
  },
  'latents made larger and repeated': {
    graph: {
      ...basic,
      '20': node('LatentUpscaleBy', { samples: ['4', 0], upscale_method: 'bilinear', scale_by: 1.5 }),
      '21': node('LatentUpscale', {
        samples: ['20', 0],
        upscale_method: 'bilinear',
        width: 256,
        height: 0,
        crop: 'disabled',
      }),
      '22': node('RepeatLatentBatch', { samples: ['21', 0], amount: 3 }),
      '5': sampler({ latent_image: ['22', 0] }),
    },
    size: [256, 128],
    pictures: 3,
    steps: 2,
  },
  'a picture scaled, inverted and painted over with SD3 loaders': {
    graph: {
      ...basic,
      '2': text('a fox', ['30', 0]),
      '30': node('TripleCLIPLoader', {
        clip_name1: 'clip_l.safetensors',
        clip_name2: 'clip_g.safetensors',
        clip_name3: 't5xxl_fp16.safetensors',
      }),
      '31': node('CLIPLoader', { clip_name: 'clip_l.safetensors', type: 'stable_diffusion' }),
      '3': text('blurry', ['31', 0]),
      '20': node('EmptyImage', { width: 100, height: 50, batch_size: 1, color: 0xff8800 }),
      '21': node('ImageScaleBy', { image: ['20', 0], upscale_method: 'lanczos', scale_by: 2 }),
      '22': node('ImageScaleToTotalPixels', {
        image: ['21', 0],
        upscale_method: 'area',
        megapixels: 0.01,
        resolution_steps: 1,
      }),
      '23': node('ImageScale', { image: ['22', 0], upscale_method: 'lanczos', width: 96, height: 64, crop: 'center' }),
      '24': node('ImageInvert', { image: ['23', 0] }),
      '4': node('VAEEncode', { pixels: ['24', 0], vae: ['1', 2] }),
      '5': sampler({ denoise: 0.4 }),
    },
    size: [96, 64],
    steps: 2,
  },
};

describe.each(['0.3.64', '0.33.0'] as const)('the nodes of %s', (version) => {
  let running: Running;
  beforeAll(async () => {
    running = await Running.start({ version });
  });
  afterAll(() => running.close());

  it.each(Object.entries(cases))('make a picture: %s', async (_name, { graph, size, pictures = 1, steps }) => {
    const from = running.listener.frames.length;
    const entry = await running.run(graph);
    expect(ending(entry)[0]).toBe('execution_success');
    const files = filesOf(entry);
    expect(files).toHaveLength(pictures);
    const { width, height } = await sharp(join(running.simulator.dir, 'output', files[0] ?? '')).metadata();
    expect([width, height]).toEqual(size);
    const frames = running.listener
      .texts()
      .slice(0)
      .filter((frame) => running.listener.frames.indexOf(frame) >= from);
    expect(frames.filter(({ type }) => type === 'progress')).toHaveLength(steps);
  });

  it('are described in /object_info/{class}, with the files of the settings', async () => {
    const { KSampler: described } = await running.get('/object_info/KSampler');
    const { input } = described as JsonObject;
    const [, seed] = ((input as JsonObject).required as JsonObject).seed as [string, JsonObject];
    expect(seed.max).toBe(18_446_744_073_709_551_615n);
    const { KSamplerSelect: select } = await running.get('/object_info/KSamplerSelect');
    const inputs = ((select as JsonObject).input as JsonObject).required as JsonObject;
    const [form, options] = inputs.sampler_name as [Json, JsonObject | undefined];
    expect(version === '0.3.64' ? form : options?.options).toContain('euler_ancestral');
    const { TripleCLIPLoader: clips } = await running.get('/object_info/TripleCLIPLoader');
    expect(JSON.stringify(clips)).toContain('"t5xxl_fp16.safetensors"');
    const { LoraLoader: lora } = await running.get('/object_info/LoraLoader');
    const { required } = (lora as JsonObject).input as JsonObject;
    expect(((required as JsonObject).lora_name as Json[])[0]).toEqual(running.simulator.settings.loras);
  });

  it('make different pictures in a batch', async () => {
    const files = filesOf(
      await running.run({ ...basic, '4': node('EmptyLatentImage', { width: 64, height: 64, batch_size: 2 }) }),
    );
    const [one, two] = await Promise.all(
      files.map((file) =>
        sharp(join(running.simulator.dir, 'output', file))
          .raw()
          .toBuffer(),
      ),
    );
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(false);
  });

  it('make an EmptyImage in its colour', async () => {
    const [file = ''] = filesOf(await running.run(plainImage(0x123456)));
    const pixels = await sharp(join(running.simulator.dir, 'output', file))
      .raw()
      .toBuffer();
    expect([...pixels.subarray(0, 3)]).toEqual([0x12, 0x34, 0x56]);
  });
});
