import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../src/python.js';
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

const node = (class_type: string, inputs: JsonObject): JsonObject => ({ class_type, inputs });
const encoder = node('CLIPLoader', { clip_name: ENCODER, type: 'ltxv' });
const encode = (text: string) => node('CLIPTextEncode', { clip: ['encoder', 0], text });

const picture = (text: string, seed: number): JsonObject => ({
  encoder,
  model: node('UNETLoader', { unet_name: MODEL, weight_dtype: 'default' }),
  positive: encode(text),
  negative: encode('blurry'),
  latent: node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
  sampler: node('KSampler', {
    seed,
    steps: 1,
    cfg: 7,
    sampler_name: 'euler',
    scheduler: 'normal',
    denoise: 1,
    model: ['model', 0],
    positive: ['positive', 0],
    negative: ['negative', 0],
    latent_image: ['latent', 0],
  }),
  vae: node('VAELoader', { vae_name: 'ae.safetensors' }),
  decoded: node('VAEDecode', { samples: ['sampler', 0], vae: ['vae', 0] }),
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
  const jobs = TEXTS.map(picture);
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
  expect(await runAll(TEXTS.map(picture))).toMatchObject({ swaps: 2 });
  await ask(running.simulator.url, 'POST', '/free', JSON.stringify({ unload_models: true }));
  expect(await runAll([picture('a newt', 9)])).toMatchObject({ swaps: 2 });
});

it('moving a model takes swapMsPerGib for its size, and encoding a text encodeMs', async () => {
  await start({ swapMsPerGib: 2, encodeMs: 10 });
  await running.run(picture('a fox', 1));
  const [first, last] = running.simulator.journal();
  const tookMs = (last?.event === 'end' ? last.ended_at : 0) - (first?.started_at ?? 0);
  // both ends are rounded to whole milliseconds
  expect(tookMs).toBeGreaterThanOrEqual(2 * 22 + 2 * 10 - 1);
});
