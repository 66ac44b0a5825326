import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { createComfyClient } from '@comfy-fleet/comfyui';
import { newId } from '@comfy-fleet/contracts';
import { PICTURE, type Simulator, startSimulator, until } from '@comfy-fleet/testing';
import {
  type Catalogue,
  fastSaveNodes,
  type Graph,
  isFastSaved,
  openUpload,
  planEncodings,
  withFastSave,
} from '@comfy-fleet/workflows';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pngOfWebp } from '../src/job/png-of-webp.js';

const GRAPHS = 'packages/testing/test/graphs';
/** ComfyUI itself does not have their nodes. */
const CUSTOM = ['animatediff-vhs.json', 'ipadapter.json'];
const FILES = [
  ...['text2img', 'img2img'].map((name) => `workflows/${name}.json`),
  ...readdirSync(GRAPHS)
    .filter((file) => file.endsWith('.json') && !file.endsWith('.inputs.json') && !CUSTOM.includes(file))
    .map((file) => join(GRAPHS, file)),
];
const WORKFLOWS = FILES.map((file) => ({
  name: basename(file, '.json'),
  workflow: openUpload(basename(file, '.json'), readFileSync(file, 'utf8')),
}));
const NODES = WORKFLOWS.flatMap(({ workflow }) => Object.values(workflow.graph));

/** The values of these inputs in all graphs. */
function valuesOf(inputName: RegExp): string[] {
  const values = NODES.flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([name, value]) => (inputName.test(name) ? [String(value)] : [])),
  );
  return [...new Set(values)];
}

const CATALOGUE = JSON.parse(
  gunzipSync(readFileSync('apps/simulator/src/data/object-info-0.33.0.json.gz')).toString(),
) as Catalogue;

const TEXT_INPUTS = ['prompt', 'scene', 'subject', 'tags'];
const TEXTS = ['a fox', 'an owl'];
/** As small and short as the graphs allow, because drawing costs time. */
const SMALL: Readonly<Record<string, number>> = { width: 64, height: 64, steps: 2, length: 5, seconds: 1 };

/** The workflow's graphs for jobs with these texts, if it has a text. */
function jobsOf({ workflow }: (typeof WORKFLOWS)[number]): Graph[] {
  const slots = workflow.inputs.find(({ name }) => TEXT_INPUTS.includes(name))?.slots ?? [];
  return TEXTS.map((text) => {
    const graph = structuredClone(workflow.graph) as Graph;
    for (const { node, input } of slots) Object.assign(graph[node]?.inputs ?? {}, { [input]: text });
    for (const { inputs } of Object.values(graph)) {
      for (const [name, value] of Object.entries(SMALL)) if (typeof inputs[name] === 'number') inputs[name] = value;
    }
    return graph;
  });
}

/** A simulated ComfyUI with all models and files of the workflows, which keeps all results. */
async function aGpu(): Promise<Simulator> {
  const gpu = await startSimulator({
    version: '0.33.0',
    previewMethod: 'none',
    cacheLru: CACHE_LRU,
    checkpoints: valuesOf(/^ckpt_name$/),
    loras: valuesOf(/^lora_name$/),
    vaes: valuesOf(/^vae_name$/),
    controlnets: valuesOf(/^control_net_name$/),
    diffusionModels: valuesOf(/^unet_name$/),
    textEncoders: valuesOf(/^clip_name/),
    modelFiles: { upscale_models: valuesOf(/^model_name$/) },
  });
  for (const { class_type, inputs } of NODES) {
    const [, kind] = /^Load(Image|Video|Audio)/.exec(class_type) ?? [];
    const file = inputs.image ?? inputs.file ?? inputs.audio;
    if (kind === undefined || typeof file !== 'string') continue;
    const path = join(gpu.dir, 'input', file);
    if (kind === 'Image') writeFileSync(path, Buffer.from(PICTURE, 'base64'));
    else copyFileSync(`apps/simulator/src/data/clips/${kind === 'Video' ? 'clip.mp4' : 'tone.mp3'}`, path);
  }
  return gpu;
}

/**
 * Runs the graphs one after the other, with nothing in the cache before. Answers the hash of the pixels of each picture
 * that each of them saves.
 */
async function pixelsOf(gpu: Simulator, graphs: readonly Graph[], originals = graphs): Promise<string[][]> {
  const client = createComfyClient({ baseUrl: gpu.url, instance: 'gpu', timeoutMs: 60_000 });
  const signal = new AbortController().signal;
  await client.free({ unloadModels: true, freeMemory: true }, signal);
  const all: string[][] = [];
  for (const [n, graph] of graphs.entries()) {
    const promptId = newId();
    await client.submit(graph, { promptId, clientId: '', signal });
    const entry = await until('the prompt has ended', () => client.history(promptId, signal));
    expect(entry.outcome).toBe('success');
    const hashes: string[] = [];
    for (const { filename, subfolder, type, nodeId } of entry.outputs) {
      if (!/\.(png|webp)$/.test(filename)) continue;
      const file = await readFile(join(gpu.dir, type, subfolder, filename));
      const png = isFastSaved(originals[n] ?? graph, nodeId, filename)
        ? await buffer(Readable.from(pngOfWebp(Readable.from([file]))))
        : file;
      const pixels = await sharp(png, { pages: -1 }).raw().toBuffer();
      hashes.push(createHash('sha256').update(pixels).digest('hex'));
    }
    all.push(hashes);
  }
  await client.close();
  return all;
}

const CACHE_LRU = 500;

/** A graph that encodes the texts of all jobs, if these can be encoded ahead. */
function aheadOf(jobs: readonly Graph[]): Graph | undefined {
  const waiting = jobs.map((graph) => ({ graph, missing: new Set<string>() }));
  return planEncodings(waiting, { catalogue: CATALOGUE, isEncoded: () => false, mostNodes: CACHE_LRU })?.graph;
}

const isFast = (graph: Graph) => fastSaveNodes(graph).size > 0;

const ALL = WORKFLOWS.map((workflow) => ({ name: workflow.name, jobs: jobsOf(workflow) }));
const AHEAD = ALL.flatMap(({ jobs, ...one }) => (aheadOf(jobs) === undefined ? [] : [{ ...one, jobs }]));
const FAST = ALL.filter(({ jobs }) => jobs.every(isFast));

let gpu: Simulator;
beforeAll(async () => {
  gpu = await aGpu();
});
afterAll(() => gpu.close());

const known = new Map<string, Promise<string[][]>>();
/** The pixels of the jobs when they run one after the other as they are. */
function plain({ name, jobs }: (typeof ALL)[number]): Promise<string[][]> {
  const pixels = known.get(name) ?? pixelsOf(gpu, jobs);
  known.set(name, pixels);
  return pixels;
}

describe('the pixels of a workflow are the same', () => {
  it.each(AHEAD)('when its texts are encoded ahead: $name', async ({ name, jobs }) => {
    const expected = await plain({ name, jobs });
    const [, ...pixels] = await pixelsOf(gpu, [aheadOf(jobs) ?? {}, ...jobs]);
    expect(pixels).toEqual(expected);
  });

  it.each(FAST)('when ComfyUI saves WebP and the worker writes the PNG: $name', async ({ name, jobs }) => {
    const expected = await plain({ name, jobs });
    const fast = jobs.map((graph) => withFastSave(graph, [...fastSaveNodes(graph).keys()]));
    expect(await pixelsOf(gpu, fast, jobs)).toEqual(expected);
  });

  it.each(ALL)('when its jobs run in another order: $name', async ({ name, jobs }) => {
    const expected = await plain({ name, jobs });
    expect(await pixelsOf(gpu, jobs.toReversed())).toEqual(expected.toReversed());
  });
});

it('texts of most workflows can be encoded ahead, and single pictures saved fast', () => {
  const names = (list: typeof ALL) => list.map(({ name }) => name);
  expect(names(AHEAD)).toEqual(expect.arrayContaining(['text2img', 'img2img', 'flux-dev', 'sd35', 'wan22-t2v']));
  expect(names(FAST)).toEqual(expect.arrayContaining(['text2img', 'img2img', 'flux-dev', 'sd35', 'kontext-edit']));
});
