import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../src/python.js';
import type { SimulatorOptions } from '../src/simulator.js';
import { ask } from './client.js';
import { plainImage, textToImage } from './graphs.js';
import { asObject, recording } from './recording.js';
import { filesOf, Running } from './running.js';

const A = 'sd_xl_base_1.0.safetensors';
const B = 'v1-5-pruned-emaonly.safetensors';
const C = 'third.safetensors';
let running: Running;
afterEach(() => running.close());

async function start(options: SimulatorOptions = {}): Promise<void> {
  running = await Running.start({ checkpoints: [A, B, C], ...options });
  running.simulator.set({ journal: join(running.simulator.dir, 'journal.jsonl') });
}

let seed = 0;
const using = (ckpt_name: string, more: JsonObject = {}): JsonObject => ({
  ...textToImage({ seed: ++seed }),
  '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name } },
  ...more,
});
const loader = (class_type: string, inputs: JsonObject): JsonObject => ({ class_type, inputs });

/** Runs the prompts one after the other, and returns the files that each one loaded. */
async function loads(...graphs: readonly JsonObject[]): Promise<(readonly string[])[]> {
  const from = running.simulator.journal().length;
  for (const graph of graphs) await running.run(graph);
  return running.simulator
    .journal()
    .slice(from)
    .flatMap((line) => (line.event === 'end' ? [line.loaded] : []));
}

const free = (body: JsonObject) => ask(running.simulator.url, 'POST', '/free', JSON.stringify(body));

describe('results in memory', () => {
  const of = (number: number, ckpt_name = A): JsonObject => ({
    ...textToImage({ seed: number }),
    '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name } },
  });
  const prompts = [of(1), of(1), of(2), of(1), plainImage(1), of(3), plainImage(1), of(3, B), of(3), of(1)];

  it.each([
    ['default', {}],
    ['--cache-lru 100', { cacheLru: 100 }],
    ['--cache-lru 3', { cacheLru: 3 }],
    ['--cache-ram 2 2', { cacheModels: 100 }],
  ])('are reused as by a real server with the option %s', async (option, settings) => {
    await start({ version: '0.33.0', ...settings });
    const recorded = recording('0.33.0', 'caching-modes').filter(({ name }) => name.startsWith(`${option}: `));
    const found: { cached: unknown; file: number }[] = [];
    const files: string[] = [];
    for (const prompt of prompts) {
      const entry = await running.run(prompt);
      files.push(...filesOf(entry));
      const messages = asObject(entry.status).messages as [string, JsonObject][];
      const cached = messages.find(([event]) => event === 'execution_cached')?.[1].nodes;
      found.push({ cached, file: files.indexOf(files.at(-1) ?? '') });
    }
    const names = recorded.flatMap(({ outputs = {} }) => filesOf({ outputs }));
    expect(found).toEqual(
      recorded.map(({ execution_cached: cached }, at) => ({ cached, file: names.indexOf(names[at] ?? '') })),
    );
  });

  it.each(['0.3.64', '0.33.0'] as const)(
    'of texts are found by later prompts with other ids, as in %s',
    async (version) => {
      await start({ version, cacheLru: 64 });
      const texts = ['a red fox', 'a blue bird', 'blurry'].flatMap((text, n) => [
        [`e${n}`, { class_type: 'CLIPTextEncode', inputs: { clip: ['1', 1], text } }],
        [`p${n}`, { class_type: 'PreviewAny', inputs: { source: [`e${n}`, 0] } }],
      ]);
      const ahead: JsonObject = {
        '1': loader('CheckpointLoaderSimple', { ckpt_name: A }),
        ...Object.fromEntries(texts),
      };
      const found: unknown[] = [];
      for (const prompt of [ahead, textToImage(), textToImage({ text: 'a blue bird', seed: 2 })]) {
        const messages = asObject((await running.run(prompt)).status).messages as [string, JsonObject][];
        found.push(messages.find(([event]) => event === 'execution_cached')?.[1].nodes);
      }
      expect(found).toEqual(recording(version, 'encode-ahead').map(({ execution_cached: cached }) => cached));
    },
  );

  it('of the least recently used models are dropped when memory is full', async () => {
    await start({ cacheModels: 2 });
    expect(await loads(using(A), using(B), plainImage(1), using(A), using(C), using(A), using(B))).toEqual([
      [A],
      [B],
      [],
      [],
      [C],
      [],
      [B],
    ]);
  });

  it.each([
    [
      'are kept after POST /free {"unload_models"}, which empties only the memory of the GPU',
      { unload_models: true },
      [],
    ],
    ['are dropped by POST /free {"free_memory"}', { free_memory: true }, [A]],
  ])('%s', async (_, body, loaded) => {
    await start({ cacheModels: 2 });
    await loads(using(A));
    await free(body);
    expect(await loads(using(A))).toEqual([loaded]);
  });

  it('are kept when the GPU runs out of memory', async () => {
    await start();
    running.simulator.faults.add({ kind: 'out_of_memory', times: 1 });
    expect(await loads(using(A), using(A))).toEqual([[A], []]);
    expect(running.simulator.journal()[1]).toMatchObject({ outcome: 'error' });
  });

  it('are lost in a restart', async () => {
    await start({ cacheModels: 2 });
    await loads(using(A));
    running.simulator.drop();
    await running.reconnect();
    expect(await loads(using(A))).toEqual([[A]]);
  });
});

describe('model files', () => {
  const withLora = (lora_name: string, strength: number, ckpt_name = A, id = '8') => {
    const lora = loader('LoraLoader', {
      model: ['1', 0],
      clip: ['1', 1],
      lora_name,
      strength_model: strength,
      strength_clip: strength,
    });
    const graph = using(ckpt_name, { [id]: lora });
    const sampler = asObject(graph['5']);
    return { ...graph, '5': { ...sampler, inputs: { ...asObject(sampler.inputs), model: [id, 0] } } };
  };

  it('of a LoRA are loaded once per node, whatever the strength and checkpoint', async () => {
    await start();
    const [x, y] = ['add_detail.safetensors', 'film_grain.safetensors'];
    const graphs = [withLora(x, 1), withLora(x, 0.5), withLora(x, 1, B), withLora(y, 1, B), withLora(y, 0.5, B, '9')];
    expect(await loads(...graphs)).toEqual([[A, x], [], [B], [y], [y]]);
  });

  it('of a LoRA are loaded again after a prompt without the node, or when memory was freed', async () => {
    await start({ cacheModels: 2 });
    const x = 'add_detail.safetensors';
    const [, , again] = await loads(withLora(x, 1), using(A), withLora(x, 0.5));
    await free({ free_memory: true });
    expect([again, ...(await loads(withLora(x, 0.5)))]).toEqual([[x], [A, x]]);
  });

  it('other than checkpoints take smallModelLoadMs each', async () => {
    const smallModelLoadMs = 20;
    await start({ smallModelLoadMs });
    const clips = { clip_name1: 'clip_l.safetensors', clip_name2: 't5xxl_fp16.safetensors', type: 'flux' };
    const graph = using(A, {
      '2': loader('CLIPTextEncode', { clip: ['8', 0], text: 'a fox' }),
      '6': loader('VAEDecode', { samples: ['5', 0], vae: ['9', 0] }),
      '8': loader('DualCLIPLoader', clips),
      '9': loader('VAELoader', { vae_name: 'ae.safetensors' }),
    });
    const [loaded = []] = await loads(graph);
    expect([...loaded].sort()).toEqual(['ae.safetensors', clips.clip_name1, clips.clip_name2, A].sort());
    const end = running.simulator.journal().find(({ event }) => event === 'end') as { ended_at?: number } | undefined;
    const tookMs = (end?.ended_at ?? 0) - (running.simulator.journal()[0]?.started_at ?? 0);
    // both ends are rounded to whole milliseconds
    expect(tookMs).toBeGreaterThanOrEqual(3 * smallModelLoadMs - 1);
  });
});
