import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type InputFile, newId, type ResolvedRequest } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import type { NewJob } from '@comfy-fleet/jobs';
import { until } from '@comfy-fleet/testing';
import { openGraph, openUpload, parseJson } from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack, someStores } from './worker-stack.js';

/** In no folder: a picture of one colour. */
const graphOf = (width: number) =>
  JSON.stringify({
    1: { class_type: 'EmptyImage', inputs: { width, height: 64, batch_size: 1, color: 255 } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  });

function jobOf(name: string, graph: string, inputs: ResolvedRequest['inputs'] = {}): NewJob {
  const { version, text } = openUpload(name, graph);
  const request = { ...aRequest(), workflow: name, version, inputs };
  return { id: newId(), kind: 'workflow', request, source: { version, text }, pool: 'default', startWithinMs: 600_000 };
}

async function setUp() {
  const stack = await openStack();
  const gpu = await aGpu();
  await stack.answering();
  return {
    ...stack,
    gpu,
    order: (jobs: readonly NewJob[]) => stack.ledger.orders.create({ jobs, caller: 'anna' }),
    begin: (given = {}) => stack.startWorker('gpu-1', [gpu.url], given),
  };
}

it("runs a workflow that is not among the worker's files", async () => {
  const { order, begin, ended } = await setUp();
  const job = jobOf('colour', graphOf(64));
  await order([job]);
  await begin();
  expect(await ended(job.id)).toMatchObject({ status: 'succeeded', error: null });
});

it('runs each job in the version with which it was accepted, even if the name has another one by then', async () => {
  const { order, begin, ended } = await setUp();
  const jobs = [64, 128, 64].map((width) => jobOf('colour', graphOf(width)));
  await order(jobs);
  await begin();
  const widths: (number | undefined)[] = [];
  for (const { id } of jobs) widths.push((await ended(id)).outputs[0]?.width);
  expect(widths).toEqual([64, 128, 64]);
});

it('fails a job whose version is not stored, and says so', async () => {
  const { order, begin, ended } = await setUp();
  const { source: _none, ...job } = jobOf('colour', graphOf(64));
  await order([{ ...job, request: { ...job.request, version: '0'.repeat(64) } }]);
  await begin();
  expect(await ended(job.id)).toMatchObject({ status: 'failed', error: { code: 'workflow_missing' } });
});

it('gives each of several files to its own input, and uploads a shared one once', async () => {
  const { order, begin, ended, gpu, nameOf } = await setUp();
  const stores = await someStores();
  const aPicture = async (width: number, digit: string): Promise<InputFile> => {
    const create = { width, height: 64, channels: 3, background: '#804020' } as const;
    const name = inputName(digit.repeat(64));
    await stores.inputs.put(name, [await sharp({ create }).png().toBuffer()], { signal: new AbortController().signal });
    return { name, kind: 'image', width, height: 64 };
  };
  const [narrow, wide] = [await aPicture(64, 'a'), await aPicture(128, 'b')];
  const graph = Object.fromEntries(
    ['first', 'second', 'third'].flatMap((name, n) => [
      [`${n}`, { class_type: 'LoadImage', inputs: { image: 'x.png' }, _meta: { title: `input:${name}` } }],
      [`5${n}`, { class_type: 'ImageBlur', inputs: { image: [`${n}`, 0], blur_radius: n + 1, sigma: 1 } }],
      [`1${n}`, { class_type: 'SaveImage', inputs: { images: [`5${n}`, 0], filename_prefix: 'x' } }],
    ]),
  );
  const job = jobOf('three', JSON.stringify(graph), { first: narrow, second: wide, third: narrow });
  await order([job]);
  await begin({ stores });
  const { outputs, error } = await ended(job.id);
  expect([error, outputs.map(({ nodeId, width }) => [nodeId, width]).sort()]).toEqual([
    null,
    [
      ['10', 64],
      ['11', 128],
      ['12', 64],
    ],
  ]);
  const given = await readdir(join(gpu.dir, 'input'));
  const names = await Promise.all([narrow, wide].map(({ name }) => nameOf(name, 'anna')));
  expect(given.filter((name) => /^[0-9a-f]{64}\./.test(name)).sort()).toEqual(names.sort());
});

it('submits the seed of a graph with all its digits', async () => {
  const { order, begin, ended, gpu } = await setUp();
  const seed = '18446744073709551615';
  const graph = `{"1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["2", 1]}},
    "4": {"class_type": "KSampler", "inputs": {"seed": ${seed}, "steps": 1, "cfg": 1, "sampler_name": "euler",
      "scheduler": "normal", "denoise": 1, "model": ["2", 0], "positive": ["3", 0], "negative": ["3", 0],
      "latent_image": ["1", 0]}},
    "5": {"class_type": "SaveLatent", "inputs": {"samples": ["4", 0], "filename_prefix": "x"}}}`;
  const { workflow, shape } = openGraph(parseJson(graph), { catalogue: undefined });
  const { version, text } = workflow;
  const request = { ...aRequest(), workflow: 'graph', version, shape, inputs: {} };
  const job = { ...jobOf('colour', graphOf(64)), request, source: { version, text } };
  await order([job]);
  await begin();
  expect(await ended(job.id)).toMatchObject({ status: 'succeeded', error: null });
  expect(await (await fetch(`${gpu.url}/history`)).text()).toMatch(new RegExp(`"seed": ?${seed}\\b`));
});

it('leaves no more than ten graphs of callers in the history of ComfyUI', async () => {
  const { order, begin, ended, gpu } = await setUp();
  const { workflow, shape } = openGraph(parseJson(graphOf(64)), { catalogue: undefined });
  const { version, text } = workflow;
  const request = { ...aRequest(), workflow: 'graph', version, shape, inputs: {} };
  const jobs = Array.from({ length: 12 }, (_, n) => ({
    ...jobOf(`${n}`, graphOf(64)),
    request,
    source: { version, text },
  }));
  await order(jobs);
  await begin();
  for (const { id } of jobs) await ended(id);
  const left = async () => Object.keys((await (await fetch(`${gpu.url}/history`)).json()) as object).length;
  await until('the first are deleted', async () => (await left()) <= 10);
});
