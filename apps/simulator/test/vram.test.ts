import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../src/python.js';
import type { SimulatorOptions } from '../src/simulator.js';
import { ask } from './client.js';
import { Running } from './running.js';

const GIB = 1024 ** 3;
const MODEL = 'flux1-dev.safetensors';
const ENCODER = 't5xxl_fp16.safetensors';
const SIZES = { [MODEL]: 12 * GIB, [ENCODER]: 10 * GIB };
const TEXTS = ['a fox', 'an owl', 'a cat', 'a dog', 'a hen', 'a cow', 'a pig', 'a ram'];

let running: Running;
afterEach(() => running.close());

async function start(options: SimulatorOptions = {}): Promise<void> {
  running = await Running.start({ modelBytes: SIZES, vramBytes: 16 * GIB, ...options });
  running.simulator.set({ journal: join(running.simulator.dir, 'journal.jsonl') });
}

interface Models {
  readonly loaders: JsonObject;
  readonly links: { readonly [name in 'model' | 'clip' | 'vae']: Json };
}

const node = (class_type: string, inputs: JsonObject): JsonObject => ({ class_type, inputs });
const encoder = node('CLIPLoader', { clip_name: ENCODER, type: 'ltxv' });
const encode = (text: string, clip: Json = ['encoder', 0]) => node('CLIPTextEncode', { clip, text });
const SEPARATE = {
  loaders: {
    encoder,
    model: node('UNETLoader', { unet_name: MODEL, weight_dtype: 'default' }),
    vae: node('VAELoader', { vae_name: 'ae.safetensors' }),
  },
  links: { model: ['model', 0], clip: ['encoder', 0], vae: ['vae', 0] },
};

const picture = (text: string, seed: number, { loaders, links } = SEPARATE as Models): JsonObject => ({
  ...loaders,
  positive: encode(text, links.clip),
  negative: encode('blurry', links.clip),
  latent: node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
  sampler: node('KSampler', {
    seed,
    steps: 1,
    cfg: 7,
    sampler_name: 'euler',
    scheduler: 'normal',
    denoise: 1,
    model: links.model,
    positive: ['positive', 0],
    negative: ['negative', 0],
    latent_image: ['latent', 0],
  }),
  decoded: node('VAEDecode', { samples: ['sampler', 0], vae: links.vae }),
  saved: node('SaveImage', { images: ['decoded', 0], filename_prefix: 'vram' }),
});

/** Encodes all texts ahead. */
const hint: JsonObject = {
  encoder,
  ...Object.fromEntries(
    [...TEXTS, 'blurry'].flatMap((text, at) => [
      [`text${at}`, encode(text)],
      [`shown${at}`, node('PreviewAny', { source: [`text${at}`, 0] })],
    ]),
  ),
};

async function runAll(graphs: readonly JsonObject[]) {
  const from = running.simulator.journal().length;
  for (const graph of graphs) await running.run(graph);
  const lines = running.simulator.journal().slice(from);
  const ends = lines.flatMap((line) => (line.event === 'end' ? [line] : []));
  const encodes = ends.flatMap(({ cached }, at) =>
    Object.entries(graphs[at] as Record<string, JsonObject>).filter(
      ([id, { class_type }]) => class_type === 'CLIPTextEncode' && !cached.includes(id),
    ),
  );
  return { swaps: ends.flatMap(({ moved }) => moved).length, encodes: encodes.length };
}

describe('a text encoder and a diffusion model that do not fit into the memory together', () => {
  const jobs = TEXTS.map((text, seed) => picture(text, seed));
  it.each([
    ['0.3.64', {}, 16],
    ['0.33.0', {}, 16],
    ['0.3.64', { cacheLru: 50 }, 2],
    ['0.33.0', { cacheModels: 4 }, 2],
  ] as const)(
    'are swapped for each text; %s with %j swaps %i times when a prompt encodes all texts first',
    async (...row) => {
      const [version, options, swaps] = row;
      await start({ version, ...options });
      expect(await runAll(jobs)).toEqual({ swaps: 16, encodes: 9 });
      await running.close();
      await start({ version, ...options });
      expect(await runAll([hint, ...jobs])).toEqual({ swaps, encodes: swaps === 2 ? 9 : 16 });
    },
  );
});

it('models that fit together are moved into the memory once, and again after POST /free', async () => {
  await start({ vramBytes: 24 * GIB });
  expect(await runAll(TEXTS.map((text, seed) => picture(text, seed)))).toMatchObject({ swaps: 2 });
  await ask(running.simulator.url, 'POST', '/free', JSON.stringify({ unload_models: true }));
  expect(await runAll([picture('a newt', 9)])).toMatchObject({ swaps: 2 });
});

it('the text encoder of a checkpoint and its model are moved apart from each other', async () => {
  const file = 'sd_xl_base_1.0.safetensors';
  await start({ modelBytes: { [file]: 12 * GIB, [`${file}/clip`]: 10 * GIB } });
  const checkpoint: Models = {
    loaders: { checkpoint: node('CheckpointLoaderSimple', { ckpt_name: file }) },
    links: { model: ['checkpoint', 0], clip: ['checkpoint', 1], vae: ['checkpoint', 2] },
  };
  expect(await runAll(['a fox', 'an owl'].map((text) => picture(text, 1, checkpoint)))).toMatchObject({ swaps: 4 });
});

it('moving a model takes swapMsPerGib for its size, and encoding a text encodeMs', async () => {
  await start({ swapMsPerGib: 2, encodeMs: 10 });
  await running.run(picture('a fox', 1));
  const [first, last] = running.simulator.journal();
  const tookMs = (last?.event === 'end' ? last.ended_at : 0) - (first?.started_at ?? 0);
  // both ends are rounded to whole milliseconds
  expect(tookMs).toBeGreaterThanOrEqual(2 * 22 + 2 * 10 - 1);
});

it('saving a picture takes pngMsPerMegapixel as a PNG, and webpMsPerMegapixel as a WebP', async () => {
  // 64 × 64 pixels are 1/244 of a megapixel.
  await start({ pngMsPerMegapixel: 244 * 60, webpMsPerMegapixel: 244 * 20 });
  const empty = node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: 255 });
  const took = async (saved: JsonObject) => {
    const from = running.simulator.journal().length;
    await running.run({ empty, saved });
    const last = running.simulator.journal()[from + 1];
    return last?.event === 'end' ? last.ended_at - last.started_at : 0;
  };
  const images = { images: ['empty', 0], filename_prefix: 'x' };
  expect(await took(node('SaveImage', images))).toBeGreaterThanOrEqual(59);
  const webp = { ...images, fps: 6, lossless: true, quality: 80, method: 'fastest' };
  expect(await took(node('SaveAnimatedWEBP', webp))).toBeGreaterThanOrEqual(19);
});
