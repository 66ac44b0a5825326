import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { PICTURE, type Simulator, starts, until } from '@comfy-fleet/testing';
import { type Graph, openGraph } from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack, someStores } from './worker-stack.js';

const PNG = Buffer.from(PICTURE, 'base64');
const FILE = inputName(createHash('sha256').update(PNG).digest('hex'));
const HASH = /[0-9a-f]{64}/;

const LOAD_AND_SAVE: Graph = {
  '1': { class_type: 'LoadImage', inputs: { image: 'my cat.png' }, _meta: { title: 'Tom' } },
  '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'cats/tom' } },
  '3': { class_type: 'PreviewImage', inputs: { images: ['1', 0] } },
  '4': { class_type: 'MaskPreview', inputs: { mask: ['1', 1] } },
};

/** A worker that can access the folders of its ComfyUI, and graphs as clients of ComfyUI send them. */
async function setUp(more: Parameters<typeof aGpu>[1] = {}) {
  const stack = await openStack();
  await stack.answering();
  const gpu = await aGpu(0, more);
  const folders = { output: join(gpu.dir, 'output'), input: join(gpu.dir, 'input'), temp: join(gpu.dir, 'temp') };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const stores = await someStores();
  await stores.inputs.put(FILE, [PNG], { signal: new AbortController().signal });
  const instances = [{ name: '1', url: gpu.url, headers: {}, folders, pools: ['default'] }];
  const worker = await stack.startWorker('w', [], { stores, instances });
  const order = async (graph: Graph, caller = 'anna') => {
    const { workflow, inputs } = openGraph(graph, { catalogue: undefined });
    const files = Object.fromEntries(
      Object.keys(inputs).map((input) => [input, { name: FILE, kind: 'image' as const }]),
    );
    const { version, text } = workflow;
    const request = { ...aRequest(), workflow: 'graph', version, inputs: files };
    const origin = JSON.stringify({ extraData: { extra_pnginfo: { workflow: { nodes: [] } } }, files: inputs });
    const job = { id: newId(), kind: 'workflow' as const, request, source: { version, text }, origin };
    await stack.ledger.orders.create({ jobs: [{ ...job, pool: 'default', startWithinMs: 600_000 }], caller });
    return job.id;
  };
  const stored = async (name: string) => buffer((await stores.frames.open(name)) ?? Readable.from([]));
  return { ...stack, gpu, folders, worker, order, stored };
}

const left = (gpu: Simulator) =>
  ['output', 'input', 'temp'].flatMap((folder) =>
    readdirSync(join(gpu.dir, folder), { recursive: true })
      .map(String)
      .filter((name) => HASH.test(name) || name.includes('_temp_')),
  );

it("stores pictures with the caller's graph, and leaves nothing on the instance", async () => {
  const { gpu, order, ended, stored } = await setUp();
  const { outputs, error } = await ended(await order(LOAD_AND_SAVE));
  expect(error).toBe(null);
  expect(outputs.map(({ nodeId, filename, listed }) => [nodeId, filename, listed?.type ?? 'output'])).toEqual([
    ['2', 'tom_00001_.png', 'output'],
    ['3', 'ComfyUI_temp_00001_.png', 'temp'],
    ['4', expect.stringMatching(/^ComfyUI_temp_[a-z]{5}_00001_\.png$/), 'temp'],
  ]);
  for (const { file } of outputs) {
    const { comments, width } = await sharp(await stored(file)).metadata();
    const texts = new Map(comments?.map(({ keyword, text }) => [keyword, text]));
    expect(JSON.parse(texts.get('workflow') ?? '')).toEqual({ nodes: [] });
    const graph = JSON.parse(texts.get('prompt') ?? '');
    for (const node of Object.values<{ is_changed?: unknown }>(graph)) delete node.is_changed;
    expect(graph).toEqual(LOAD_AND_SAVE);
    expect(width).toBeGreaterThan(0);
    expect(HASH.test((await stored(file)).toString('latin1'))).toBe(false);
  }
  await until('nothing is left', () => left(gpu).length === 0);
});

it('runs nodes that show pictures again for each job, whatever ComfyUI has in its cache', async () => {
  const { gpu, order, ended } = await setUp();
  for (const caller of ['anna', 'anna', 'ben']) {
    const { outputs, error } = await ended(await order(LOAD_AND_SAVE, caller));
    expect([error, outputs.length]).toEqual([null, 3]);
    await until('its files are gone', () => left(gpu).length === 0);
  }
  expect(starts(gpu)).toBe(3);
});

it('deletes files of nodes that finished before another one failed', async () => {
  const { gpu, order, ended } = await setUp();
  const message = 'cannot identify image file';
  gpu.faults.add({ kind: 'node_error', node: 'ImageInvert', exceptionType: 'ValueError', message });
  const { '1': load, '2': save } = LOAD_AND_SAVE;
  const graph: Graph = {
    '1': load as Graph[string],
    '2': save as Graph[string],
    '5': { class_type: 'ImageInvert', inputs: { image: ['6', 0] } },
    '6': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
    '9': { class_type: 'PreviewImage', inputs: { images: ['5', 0] } },
  };
  const job = await ended(await order(graph));
  expect(job).toMatchObject({ status: 'failed', error: { code: 'node_execution_error' } });
  expect(job.timings?.nodes.map(({ nodeId }) => nodeId)).toContain('2');
  await until('nothing is left', () => left(gpu).length === 0);
});

it("keeps a file for the job of one key when another key's job with the same content has ended", async () => {
  const { folders, order, gpu, nameOf, running, ended, cancel } = await setUp();
  const graph = (stepMs: number): Graph => ({
    ...LOAD_AND_SAVE,
    '7': { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: stepMs } },
  });
  gpu.faults.add({ kind: 'hang', times: 1 });
  const first = await order(graph(1), 'anna');
  await running(first);
  const second = await order(graph(2), 'ben');
  const names = await Promise.all(['anna', 'ben'].map((key) => nameOf(FILE, key)));
  await until('both files are there', () => names.every((name) => readdirSync(folders.input).includes(name)));
  await cancel(second);
  await ended(second);
  await until('the second one is gone', () => !readdirSync(folders.input).includes(names[1] ?? ''));
  expect(readdirSync(folders.input)).toContain(names[0]);
});
