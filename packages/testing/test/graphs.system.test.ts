import { readFile } from 'node:fs/promises';
import type { Job } from '@comfy-fleet/contracts';
import { PICTURE, startSimulator, startStack, type TestStack, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type GraphFixture, graphFixtures, withTheirModels } from './graph-fixtures.js';

/** The inputs of each graph besides the common ones, and its outputs. */
const EXPECTED: Readonly<Record<string, { inputs: readonly string[]; outputs: readonly string[]; lacks?: string }>> = {
  'ace-step-audio': { inputs: ['tags', 'lyrics', 'seconds', 'seed'], outputs: ['audio'] },
  'animatediff-vhs': { inputs: ['prompt', 'count'], outputs: [], lacks: 'VHS_VideoCombine' },
  'app-mode': { inputs: ['prompt', 'strength_model', 'cfg', 'width'], outputs: ['image'] },
  'audio-in-out': { inputs: ['audio'], outputs: ['audio'] },
  'controlnet-canny': { inputs: ['prompt', 'image', 'width'], outputs: ['image'] },
  'flux-dev': { inputs: ['prompt', 'cfg', 'seed', 'scheduler'], outputs: ['image'] },
  'hunyuan3d-glb': { inputs: ['image', 'seed'], outputs: ['model'] },
  'inpaint-mask': { inputs: ['prompt', 'image', 'mask'], outputs: ['image'] },
  'inputs-file': { inputs: ['scene', 'ink'], outputs: ['image'] },
  ipadapter: { inputs: ['prompt', 'image'], outputs: [], lacks: 'IPAdapter' },
  'kontext-edit': { inputs: ['prompt', 'image', 'cfg'], outputs: ['image'] },
  'latent-out': { inputs: ['prompt', 'width'], outputs: ['latent'] },
  outpaint: { inputs: ['prompt', 'image'], outputs: ['image'] },
  'qwen-image-edit': { inputs: ['prompt', 'person', 'garment'], outputs: ['image'] },
  'sd15-lora-chain': { inputs: ['prompt', 'count'], outputs: ['image'] },
  sd35: { inputs: ['prompt', 'negative_prompt'], outputs: ['image'] },
  'sdxl-base-refiner': { inputs: ['prompt', 'steps'], outputs: ['image'] },
  'subgraph-ids': { inputs: ['prompt', 'steps'], outputs: ['image'] },
  'svd-webp': { inputs: ['image', 'width'], outputs: ['animation'] },
  'text-output': { inputs: ['subject', 'style'], outputs: ['text'] },
  titled: { inputs: ['scene', 'without', 'detail'], outputs: ['image'] },
  'two-kinds': { inputs: ['prompt', 'length'], outputs: ['image', 'video'] },
  'two-stage-hires': { inputs: ['prompt', 'seed'], outputs: ['image'] },
  'upscale-4x': { inputs: ['image'], outputs: ['image'] },
  'video-to-video': { inputs: ['video'], outputs: ['video'] },
  'wan22-i2v': { inputs: ['prompt', 'image', 'length'], outputs: ['video'] },
  'wan22-t2v': { inputs: ['prompt', 'length', 'steps'], outputs: ['video'] },
};

/** As small and short as the graph allows, because drawing costs time. */
const SMALL: Readonly<Record<string, unknown>> = { width: 64, height: 64, steps: 2, length: 5, seconds: 1, count: 1 };

const CLIPS = new URL('../../../apps/simulator/src/data/clips/', import.meta.url);

/** A file for an input of this media type. */
async function aFile(mediaType: string): Promise<Blob> {
  if (mediaType.startsWith('image/'))
    return new Blob([new Uint8Array(Buffer.from(PICTURE, 'base64'))], { type: 'image/png' });
  const clip = mediaType.startsWith('video/') ? 'clip.mp4' : 'tone.mp3';
  return new Blob([new Uint8Array(await readFile(new URL(clip, CLIPS)))]);
}

interface Property {
  readonly type?: string | readonly string[];
  readonly contentMediaType?: string;
}

interface Described {
  readonly version: string;
  readonly inputs: {
    readonly properties: Readonly<Record<string, Property>>;
    readonly required?: readonly string[];
  };
  readonly outputs: readonly { readonly name: string }[];
  readonly pools: readonly { readonly instances: readonly unknown[] }[];
}

async function published({ url }: TestStack, { name, graph, inputsFile, picture }: GraphFixture): Promise<Described> {
  const answer = await fetch(`${url}/workflows/${name}`, {
    method: 'PUT',
    headers: { 'content-type': picture === undefined ? 'application/json' : 'image/png' },
    body:
      picture === undefined
        ? JSON.stringify({ graph, ...(inputsFile === undefined ? {} : { inputs: inputsFile }) })
        : new Uint8Array(picture),
  });
  expect(answer.status).toBe(201);
  return (await (await fetch(`${url}/workflows/${name}`)).json()) as Described;
}

/** Runs the graph with small values, and a file for each file input. */
async function run(
  { url }: TestStack,
  name: string,
  { properties, required = [] }: Described['inputs'],
): Promise<Response> {
  const form = new FormData();
  const small = Object.entries(SMALL).filter(([input]) => input in properties);
  const texts = required.filter((input) => properties[input]?.contentMediaType === undefined);
  const said = texts.map((input) => [input, 'a lighthouse'] as const);
  form.set('inputs', JSON.stringify(Object.fromEntries([...said, ...small])));
  for (const [input, { contentMediaType }] of Object.entries(properties)) {
    if (contentMediaType !== undefined) form.set(input, await aFile(contentMediaType), `${input}.file`);
  }
  return fetch(`${url}/workflows/${name}`, { method: 'POST', body: form });
}

async function ended({ url }: TestStack, id: string): Promise<Job> {
  return until(`${id} has ended`, async () => {
    const job = (await (await fetch(`${url}/jobs/${id}?wait=20`)).json()) as Job;
    return job.finished_at !== null && job;
  });
}

describe.each(['0.3.64', '0.33.0'] as const)('on ComfyUI %s', (version) => {
  let stack: TestStack;
  let gpu: Awaited<ReturnType<typeof startSimulator>>;

  beforeAll(async () => {
    gpu = await startSimulator({ version, previewMethod: 'none', ...withTheirModels });
    stack = await startStack({ redisUrl: inject('redisUrl') });
    await stack.startWorker('w', [gpu.url]);
    await until('the instance has said what it has', async () => {
      const { pools } = (await (await fetch(`${stack.url}/workflows/text2img`)).json()) as Described;
      return pools.some(({ instances }) => instances.length > 0);
    });
  });
  afterAll(async () => {
    await stack?.close();
    await gpu?.close();
  });

  it.each(graphFixtures)('$name is an endpoint with its inputs, and its outputs are served', async (fixture) => {
    const expected = EXPECTED[fixture.name];
    expect(expected, 'this test says what to expect of every graph').toBeDefined();
    const described = await published(stack, fixture);
    expect(Object.keys(described.inputs.properties)).toEqual(expect.arrayContaining([...(expected?.inputs ?? [])]));

    const answer = await run(stack, fixture.name, described.inputs);
    if (expected?.lacks !== undefined) {
      const problem = (await answer.json()) as { code: string; detail: string };
      expect([answer.status, problem.code]).toEqual([422, 'no_able_instance']);
      expect(problem.detail).toContain(expected.lacks);
      return;
    }
    const accepted = (await answer.json()) as Job;
    expect([answer.status, accepted.kind, accepted.request.version]).toEqual([202, 'workflow', described.version]);
    const job = await ended(stack, accepted.id);
    expect([job.status, job.error]).toEqual(['succeeded', null]);
    expect([...new Set(job.outputs.map(({ kind }) => kind))].sort()).toEqual(expected?.outputs);
    for (const output of job.outputs) {
      const file = await fetch(new URL(output.url, stack.url));
      const bytes = Buffer.from(await file.arrayBuffer());
      expect([file.status, bytes.length]).toEqual([200, output.bytes]);
      expect(file.headers.get('content-type')?.split(';')[0]).toBe(output.content_type.split(';')[0]);
    }
  });
});
