import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Json, JsonObject } from '../src/python.js';
import type { Simulator } from '../src/simulator.js';

interface TextToImage {
  readonly seed?: Json;
  readonly steps?: number;
  readonly width?: number;
  readonly height?: number;
  readonly batch?: number;
  readonly text?: string;
  readonly prefix?: string;
}

/** The graph that was used in the recordings. */
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

let others = 0;

/** The graph with all nodes changed except those in `cached`, so that only their results are found in the cache. */
export function primerFor(graph: JsonObject, cached: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]) => [id, cached.includes(id) ? node : another(node as JsonObject)]),
  );
}

function another(node: JsonObject): JsonObject {
  const at = ++others;
  const inputs = { ...(node.inputs as JsonObject) };
  const change = (name: string, value: Json) => {
    if (inputs[name] !== undefined) inputs[name] = value;
  };
  change('seed', 900_000 + at);
  change('steps', 1);
  change('text', `primer ${at}`);
  change('color', 8_000_000 + at);
  change('filename_prefix', `primer/${at}`);
  if (node.class_type === 'EmptyLatentImage') change('width', 128 + 8 * at);
  if (node.class_type === 'CheckpointLoaderSimple') change('ckpt_name', 'v1-5-pruned-emaonly.safetensors');
  if (node.class_type === 'LoadImage') {
    // Any other picture will do.
    change('image', 'primer.png');
  }
  return { ...node, inputs };
}

export function plainPicture(background: string, size = 64): Promise<Buffer> {
  return sharp({ create: { width: size, height: size, channels: 4, background } })
    .png()
    .toBuffer();
}

/** Writes a plain picture into a folder of the simulator, for LoadImage or /view. */
export async function putPicture(simulator: Simulator, path: string, background = '#c81e1e'): Promise<void> {
  writeFileSync(join(simulator.dir, path), await plainPicture(background));
}

/** Writes a truncated picture. */
export async function putTruncatedPicture(simulator: Simulator, path: string): Promise<void> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 60 };
  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#fff', noise } })
    .png()
    .toBuffer();
  writeFileSync(join(simulator.dir, path), bytes.subarray(0, bytes.length / 2));
}
