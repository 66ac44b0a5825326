import { createHash } from 'node:crypto';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import type { JobRecord } from '@comfy-fleet/jobs';
import { queueOf, type RequestOverrides, type Simulator, until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { aGpu, openStack, someStores } from './worker-stack.js';

const REQUEST = { prompt: 'a "tram" {in} Käse', seed: '18446744073709551615' };

/** The classes of the nodes of the last prompt that the ComfyUI executed. */
async function lastClasses(gpu: Simulator): Promise<string[]> {
  const history = (await (await fetch(`${gpu.url}/history`)).json()) as Record<
    string,
    { prompt: [number, string, object] }
  >;
  const [, , graph] = Object.values(history).at(-1)?.prompt ?? [];
  return Object.values((graph ?? {}) as Record<string, { class_type: string }>).map((node) => node.class_type);
}
const isFast = async (gpu: Simulator) => (await lastClasses(gpu)).includes('SaveAnimatedWEBP');

/** A worker that saves fast once it has learned to. */
async function aFastWorker(version: '0.3.64' | '0.33.0' = '0.3.64') {
  const stack = await openStack();
  const gpu = await aGpu(0, { version });
  const stores = await someStores();
  const folders = { output: join(gpu.dir, 'output'), input: undefined, temp: undefined };
  const instances = [{ name: '1', url: gpu.url, headers: {}, folders, pools: ['default'] }];
  const startWorker = () => stack.startWorker('w', [], { instances, stores, tools: { fastSaveBelowMs: 60_000 } });
  const worker = await startWorker();
  /** Submits a job behind another one, which is canceled then. */
  const submit = async (overrides?: RequestOverrides) => {
    gpu.faults.add({ kind: 'hang', times: 1 });
    // With a prompt of its own, so that ComfyUI has nothing of it in its cache.
    const first = await stack.submit({ prompt: newId() });
    await stack.running(first);
    const id = await stack.submit(overrides);
    await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
    await stack.ledger.jobs.cancel(first);
    return id;
  };
  const run = async (overrides?: RequestOverrides) => stack.ended(await submit(overrides));
  const learned = (overrides?: RequestOverrides) =>
    until('it saves fast', async () => {
      const job = await run(overrides);
      return (await isFast(gpu)) && job;
    });
  return { stack, gpu, frames: stores.frames, submit, run, learned, startWorker, stopWorker: worker.stop };
}

/** Everything about a stored picture that callers can see, but for the compression of its pixels. */
async function pictureOf({ outputs: [output] }: JobRecord, frames: Pick<FrameStore, 'open'>) {
  const file = await frames.open(output?.file ?? '');
  const png = file === undefined ? Buffer.alloc(0) : await buffer(file);
  const { file: _file, bytes: _bytes, sha256: _sha256, ...about } = output ?? {};
  const pixels = await sharp(png).raw().toBuffer();
  return {
    about,
    header: png.subarray(8, 33).toString('hex'),
    pixels: createHash('sha256').update(pixels).digest('hex'),
    texts: png.subarray(33, png.indexOf('IDAT') - 4).toString('latin1'),
  };
}

it.each(['0.3.64', '0.33.0'] as const)(
  'ComfyUI %s saves WebP once prompts are known to be short, and the job has the same pixels, texts and names',
  async (version) => {
    const { stack, gpu, frames, learned } = await aFastWorker(version);
    const plain = await stack.run(REQUEST);
    expect(await isFast(gpu)).toBe(false);
    const fast = await learned(REQUEST);
    expect(fast).toMatchObject({ status: 'succeeded', attempts: 1, outputs: [{ contentType: 'image/png' }] });
    const picture = await pictureOf(fast, frames);
    expect(picture).toEqual(await pictureOf(plain, frames));
    expect(picture.texts).toContain('tEXtprompt');
    expect(picture.texts).toContain('18446744073709551615');
    expect(fast.timings?.nodes.map(({ className }) => className)).toContain('SaveImage');
  },
);

it('several pictures of a job are saved as usual, and a single one after them fast', async () => {
  const { gpu, run, learned } = await aFastWorker();
  await learned();
  const batch = await run({ count: 2 });
  expect([batch.outputs.length, await isFast(gpu)]).toEqual([2, false]);
  await run();
  expect(await isFast(gpu)).toBe(true);
});

it('a job is saved as usual if no other prompt is at its instance', async () => {
  const { stack, gpu, learned } = await aFastWorker();
  await learned();
  await stack.run();
  expect(await isFast(gpu)).toBe(false);
});

it('a job is rendered again with SaveImage when SaveAnimatedWEBP fails, and so are all later ones like it', async () => {
  const { gpu, run, learned } = await aFastWorker();
  await learned();
  gpu.faults.add({ kind: 'node_error', node: 'SaveAnimatedWEBP', message: 'no WebP' });
  const job = await run();
  expect(job).toMatchObject({ status: 'succeeded', attempts: 2, error: null });
  expect(await isFast(gpu)).toBe(false);
  expect(await run()).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await isFast(gpu)).toBe(false);
});

/** Submits a job that is saved fast, and stops ComfyUI and the worker before its picture is stored. */
async function diedBeforeStoring() {
  const { stack, gpu, frames, submit, learned, startWorker, stopWorker } = await aFastWorker();
  const plain = await stack.run(REQUEST);
  await learned();
  gpu.faults.add({ kind: 'slow_view', ms: 600_000, times: 1 });
  const id = await submit(REQUEST);
  await until('the worker fetches it', () => gpu.faults.list().length === 0);
  expect(await isFast(gpu)).toBe(true);
  await stopWorker();
  gpu.drop();
  const [file = ''] = readdirSync(join(gpu.dir, 'output')).filter((name) => name.endsWith('.webp'));
  return {
    file: join(gpu.dir, 'output', file),
    expected: await pictureOf(plain, frames),
    learned,
    ended: async () => {
      await startWorker();
      const job = await stack.ended(id);
      return { job, picture: await pictureOf(job, frames) };
    },
  };
}

it('a picture saved fast is found and converted after ComfyUI and the worker died before it was stored', async () => {
  const { expected, ended } = await diedBeforeStoring();
  const { job, picture } = await ended();
  expect(job).toMatchObject({ status: 'succeeded', attempts: 1, submissions: 1 });
  expect(picture).toEqual(expected);
});

it('a picture saved fast is rendered again if it was incomplete when ComfyUI died, and later ones are saved fast', async () => {
  const { file, expected, ended, learned } = await diedBeforeStoring();
  truncateSync(file, 500);
  const { job, picture } = await ended();
  expect(job).toMatchObject({ status: 'succeeded', attempts: 2, submissions: 2 });
  expect(picture).toEqual(expected);
  expect(await learned()).toMatchObject({ status: 'succeeded', attempts: 1 });
});
