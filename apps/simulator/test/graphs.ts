import type { Json, JsonObject } from '../src/json/values.js';

interface TextToImage {
  readonly seed?: Json;
  readonly steps?: number;
  readonly width?: number;
  readonly height?: number;
  readonly batch?: number;
  readonly text?: string;
  readonly prefix?: string;
}

/** The graph of the recordings. */
export function textToImage(with_: TextToImage = {}): JsonObject {
  const { seed = 1, steps = 1, width = 64, height = 64, batch = 1, text = 'a red fox', prefix = 'text2img' } = with_;
  return {
    '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'sd_xl_base_1.0.safetensors' } },
    '2': { class_type: 'CLIPTextEncode', inputs: { clip: ['1', 1], text } },
    '3': { class_type: 'CLIPTextEncode', inputs: { clip: ['1', 1], text: 'blurry' } },
    '4': { class_type: 'EmptyLatentImage', inputs: { width, height, batch_size: batch } },
    '5': {
      class_type: 'KSampler',
      inputs: {
        seed,
        steps,
        cfg: 7,
        sampler_name: 'euler_ancestral',
        scheduler: 'normal',
        denoise: 1,
        model: ['1', 0],
        positive: ['2', 0],
        negative: ['3', 0],
        latent_image: ['4', 0],
      },
    },
    '6': { class_type: 'VAEDecode', inputs: { samples: ['5', 0], vae: ['1', 2] } },
    '7': { class_type: 'SaveImage', inputs: { images: ['6', 0], filename_prefix: prefix } },
  };
}

/** EmptyImage → SaveImage: nothing to load, nothing to sample. */
export function plainImage(color: number, prefix = 'plain', batch = 1): JsonObject {
  return {
    '1': { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: batch, color } },
    '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix } },
  };
}
