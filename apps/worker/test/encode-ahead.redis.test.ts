import { isHintId, newId } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { queueOf, type Simulator, until } from '@comfy-fleet/testing';
import { openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack, someStores } from './worker-stack.js';

const GIB = 1024 ** 3;
const MODEL = 'flux1-dev.safetensors';
const ENCODER = 't5xxl_fp16.safetensors';
const TEXTS = ['a fox', 'an owl', 'a cat', 'a dog', 'a hen', 'a cow', 'a pig', 'a ram'];

const node = (class_type: string, inputs: Record<string, unknown>, title = class_type) => ({
  class_type,
  inputs,
  _meta: { title },
});

const { version, text: source } = openUpload(
  'flux',
  JSON.stringify({
    encoder: node('CLIPLoader', { clip_name: ENCODER, type: 'ltxv' }),
    model: node('UNETLoader', { unet_name: MODEL, weight_dtype: 'default' }),
    positive: node('CLIPTextEncode', { clip: ['encoder', 0], text: '' }, 'input:text'),
    negative: node('CLIPTextEncode', { clip: ['encoder', 0], text: 'blurry' }),
    latent: node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
    sampler: node('KSampler', {
      seed: 1,
      steps: 2,
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
    saved: node('SaveImage', { images: ['decoded', 0], filename_prefix: 'x' }),
  }),
);

function jobOf(text: string): NewJob {
  const request = { ...aRequest(), workflow: 'flux', version, inputs: { text, seed: '5' }, choices: [] };
  return {
    id: newId(),
    kind: 'workflow',
    request,
    source: { version, text: source },
    pool: 'default',
    startWithinMs: 600_000,
  };
}

/** A ComfyUI whose card does not hold the text encoder and the diffusion model together, and its worker. */
async function setUp(options: Parameters<typeof aGpu>[1] = { cacheLru: 50 }, isAllowed = true) {
  const stack = await openStack();
  const modelBytes = { [MODEL]: 12 * GIB, [ENCODER]: 10 * GIB };
  const gpu = await aGpu(0, { vramBytes: 16 * GIB, modelBytes, swapMsPerGib: 2, ...options });
  await stack.answering();
  const order = async (texts: readonly string[], caller = 'anna') => {
    const jobs = texts.map(jobOf);
    await stack.ledger.orders.create({ jobs, caller });
    return jobs.map(({ id }) => id);
  };
  const stores = await someStores();
  const begin = (name = 'w') =>
    stack.startWorker(name, [gpu.url], { stores, encodeAhead: { isAllowed, leastSavedMs: 5 } });
  return {
    ...stack,
    gpu,
    order,
    begin,
    allEnded: (ids: readonly string[]) => Promise.all(ids.map(stack.ended)),
    /** A worker that has learned that encoding ahead pays. */
    learned: async () => {
      const worker = await begin();
      for (const text of ['one', 'two', 'three', 'four']) await stack.ended((await order([text]))[0] ?? '');
      return worker;
    },
  };
}

const ends = (gpu: Simulator) => gpu.journal().flatMap((line) => (line.event === 'end' ? [line] : []));
const hints = (gpu: Simulator) => ends(gpu).filter(({ prompt_id }) => isHintId(prompt_id));

/** What its executions did from the nth on: the prompts, swaps of models, and encoded texts. */
function doneSince(gpu: Simulator, n: number) {
  const lines = ends(gpu).slice(n);
  return {
    prompts: lines.length,
    hints: lines.filter(({ prompt_id }) => isHintId(prompt_id)).length,
    swaps: lines.flatMap(({ moved }) => moved).length,
  };
}

it('encodes the texts of eight waiting jobs at once, so that the models are swapped twice, and changes no picture', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  const before = ends(gpu).length;
  const jobs = await allEnded(await order(TEXTS));
  expect(jobs.map(({ status, attempts, submissions }) => [status, attempts, submissions])).toEqual(
    TEXTS.map(() => ['succeeded', 1, 1]),
  );
  expect(doneSince(gpu, before)).toEqual({ prompts: 9, hints: 1, swaps: 2 });

  const alone = await setUp({ cacheLru: 50 }, false);
  await alone.begin();
  const same = await alone.allEnded(await alone.order(TEXTS));
  expect(doneSince(alone.gpu, 0)).toMatchObject({ prompts: 8, hints: 0, swaps: 16 });
  const pixels = (records: typeof jobs) => records.map(({ outputs }) => outputs.map(({ sha256 }) => sha256));
  expect(pixels(jobs)).toEqual(pixels(same));
});

it('sends no hint to a ComfyUI that keeps only the results of the last prompt', async () => {
  const { gpu, learned, order, allEnded } = await setUp({ cacheLru: 0 });
  await learned();
  const before = ends(gpu).length;
  await allEnded(await order(TEXTS));
  expect(doneSince(gpu, before)).toEqual({ prompts: 8, hints: 0, swaps: 16 });
});

it('charges the keys of all jobs, says so with the job after the hint, and shows it on the timeline of the instance', async () => {
  const { gpu, ledger, learned, order, allEnded } = await setUp();
  await learned();
  gpu.set({ encodeMs: 60 });
  const [first = '', ...others] = [...(await order(['a fox', 'an owl'])), ...(await order(['a cat'], 'bert'))];
  const [job] = await allEnded([first, ...others]);
  const hint = hints(gpu)[0];
  const took = (hint?.ended_at ?? 0) - (hint?.started_at ?? 0);
  expect(took).toBeGreaterThanOrEqual(120);
  expect(Math.abs((job?.timings?.encodeAheadMs ?? 0) - took)).toBeLessThan(100);
  const charged = async (key: string) => (await ledger.accounts.usage(key, 1))[0]?.gpuMs ?? 0;
  // The text of each job, and the common negative one.
  const [anna, bert] = [await charged('anna'), await charged('bert')];
  expect(anna).toBeGreaterThan(0);
  expect(bert).toBeGreaterThanOrEqual(took / 3 - 5);
  const { pages } = await ledger.fleet.timeline({ minutes: 1, most: 100 });
  for await (const [timeline] of pages) {
    const shown = timeline?.executions.filter(({ outcome }) => outcome === 'encoded');
    expect(shown).toMatchObject([{ job: first, key: 'anna' }]);
  }
});

it('fails no job when a hint fails, and does not encode its texts ahead again', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  const before = ends(gpu).length;
  // Only in the hint does a node have this id.
  const fault = gpu.faults.add({ kind: 'node_error', node: 'positive_3', message: 'a bad text' });
  const jobs = await allEnded(await order(TEXTS));
  expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual(TEXTS.map(() => ['succeeded', 1]));
  expect(hints(gpu).map(({ outcome }) => outcome)).toEqual(['error']);
  expect(doneSince(gpu, before).prompts).toBe(9);
  gpu.faults.remove(({ id }) => id === fault.id);
});

it('cancels a job at once while its hint runs, and stops the hint when no job wants it any more', async () => {
  const { gpu, ledger, learned, order, ended, record } = await setUp();
  await learned();
  gpu.faults.add({ kind: 'hang', node: 'positive_2', times: 1 });
  const [first = '', second = ''] = await order(['a fox', 'an owl']);
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  await ledger.jobs.cancel(first);
  expect(await ended(first)).toMatchObject({ status: 'canceled', attempts: 0 });
  expect((await queueOf(gpu)).running.some(isHintId)).toBe(true);
  expect(await record(second)).toMatchObject({ status: 'queued' });
  await ledger.jobs.cancel(second);
  expect(await ended(second)).toMatchObject({ status: 'canceled', attempts: 0 });
  await until('it is stopped', () => hints(gpu).length === 1);
  expect(hints(gpu)).toMatchObject([{ outcome: 'interrupted' }]);
});

it('counts neither an attempt nor a kill when ComfyUI dies under a hint, and sends none after two such deaths', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  for (const texts of [TEXTS.slice(0, 2), TEXTS.slice(2, 4), TEXTS.slice(4, 6)]) {
    gpu.faults.add({ kind: 'lost_prompt', node: 'positive_2', times: 1 });
    const jobs = await allEnded(await order(texts));
    expect(jobs.map(({ status, attempts, kills }) => [status, attempts, kills])).toEqual([
      ['succeeded', 1, 0],
      ['succeeded', 1, 0],
    ]);
  }
  expect(hints(gpu).map(({ outcome }) => outcome)).toEqual(['lost', 'lost']);
});

it('removes the hint of a worker that died, and runs each of its jobs once', async () => {
  const { gpu, learned, order, begin, allEnded } = await setUp();
  const worker = await learned();
  gpu.faults.add({ kind: 'hang', node: 'positive_2', times: 1 });
  const ids = await order(['a fox', 'an owl']);
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  await worker.stop(0);
  expect((await queueOf(gpu)).running.some(isHintId)).toBe(true);
  await begin('w');
  const jobs = await allEnded(ids);
  expect(jobs.map(({ status, attempts, submissions }) => [status, attempts, submissions])).toEqual([
    ['succeeded', 1, 1],
    ['succeeded', 1, 1],
  ]);
  expect(hints(gpu)).toMatchObject([{ outcome: 'interrupted' }]);
});
