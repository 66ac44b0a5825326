import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import type { ModelRecord } from '@comfy-fleet/contracts';
import { newModel } from '@comfy-fleet/jobs';
import { createMetrics } from '@comfy-fleet/telemetry';
import { safetensors, startModelSource, starts, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { modelSetup } from '../src/models/setup.js';
import { orderWarmUp } from '../src/upkeep/warm-up-order.js';
import { quietLog } from './held.js';
import { aFolder, aGpu, openStack } from './worker-stack.js';

const MIB = 1024 * 1024;
/** Space for one model of this size, and for the fleet's own files. */
const ROOM = 1.5 * MIB;

type Stack = Awaited<ReturnType<typeof openStack>>;

/** Registered checkpoints of 1 MiB, and a fleet whose instances have none of them. */
async function openWithModels(names: readonly string[], { maxBytes = 100 * MIB } = {}) {
  const stack = await openStack();
  const source = await startModelSource();
  onTestFinished(() => source.close());
  const modelsDir = await aFolder();
  const register = async (name: string, fields: Partial<ModelRecord> = {}) => {
    source.files.set(name, { content: safetensors(MIB) });
    const record = newModel('checkpoints', name, { sources: [`${source.url}/${name}`], bytes: MIB, ...fields });
    await stack.ledger.models.change(record, () => record);
  };
  await until('the ledger answers', () =>
    stack.ledger.ping().then(
      () => true,
      () => false,
    ),
  );
  for (const name of names) await register(name);
  let started = 0;
  const startWorker = async (name: string, urls: readonly string[], more: Parameters<Stack['startWorker']>[2] = {}) => {
    const { models } = loadConfig({ MODEL_SOURCE_ALLOW: '127.0.0.1', MODELS_MAX_BYTES: `${maxBytes}` });
    const config = { models: { ...models, minFreeBytes: 0, evictAfterMs: 1500 } };
    const tools = { config, credentials: [], ports: [], log: quietLog() };
    const setup = await modelSetup({ ...tools, metrics: createMetrics({ service: 'worker', log: quietLog() }) });
    const instances = urls.map((url, n) => ({
      name: `${n + 1}`,
      url,
      headers: {},
      folders: { output: undefined, input: undefined, temp: undefined },
      modelsDir,
      pools: ['default'],
    }));
    const worker = await stack.startWorker(name, [], { instances, modelSetup: setup, ...more });
    started += instances.length;
    // Until then, an instance is given every job.
    const known = async () => (await stack.ledger.fleet.abilities('default', ['KSampler'])).length === started;
    await until('it is known what the instances can do', known);
    return worker;
  };
  const has = (name: string) => existsSync(join(modelsDir, 'checkpoints', name));
  const submit = (checkpoint: string, more: Parameters<Stack['submit']>[0] = {}, key = 'anonymous') =>
    stack.submit({ checkpoint, ...more }, 'default', key);
  return { ...stack, source, modelsDir, register, startWorker, has, submit };
}

it('runs a job whose model no instance has once its host has fetched the model, without a restart of ComfyUI', async () => {
  const fleet = await openWithModels(['new.safetensors']);
  const gpu = await aGpu(0, { modelsDir: fleet.modelsDir });
  await fleet.startWorker('w', [gpu.url]);
  const id = await fleet.submit('new.safetensors');
  expect(await fleet.ended(id)).toMatchObject({ status: 'succeeded', submissions: 1 });
  expect(fleet.has('new.safetensors')).toBe(true);
  expect(starts(gpu)).toBe(1);
});

it('fetches a model once for two workers that share a folder, and lets the instances of both use it', async () => {
  const fleet = await openWithModels(['new.safetensors']);
  const gpus = await Promise.all([1, 2].map(() => aGpu(1000, { modelsDir: fleet.modelsDir })));
  for (const [n, { url }] of gpus.entries()) await fleet.startWorker(`w${n}`, [url]);
  const ids = await Promise.all(Array.from({ length: 6 }, () => fleet.submit('new.safetensors', { steps: 150 })));
  await until('both execute one', () => gpus.every((gpu) => starts(gpu) > 0));
  for (const gpu of gpus) gpu.set({ stepMs: 0 });
  for (const id of ids) expect(await fleet.ended(id)).toMatchObject({ status: 'succeeded' });
  expect(fleet.source.sent.get('new.safetensors')).toBe(MIB);
});

it('fetches nothing for a job that its instances cannot run for another reason', async () => {
  const fleet = await openWithModels(['a.safetensors', 'b.safetensors']);
  const gpu = await aGpu(0, { modelsDir: fleet.modelsDir });
  await fleet.startWorker('w', [gpu.url]);
  await fleet.submit('a.safetensors', { sampler: 'a sampler that no instance has' });
  const other = await fleet.submit('b.safetensors');
  expect(await fleet.ended(other)).toMatchObject({ status: 'succeeded' });
  expect([fleet.has('a.safetensors'), fleet.has('b.safetensors')]).toEqual([false, true]);
});

it('evicts a model that no job wants for one that a job wants, and never one that is in use', async () => {
  const fleet = await openWithModels(['a.safetensors', 'b.safetensors'], { maxBytes: ROOM });
  const gpu = await aGpu(1000, { modelsDir: fleet.modelsDir });
  await fleet.startWorker('w', [gpu.url]);
  const first = await fleet.submit('a.safetensors', { steps: 150 });
  await fleet.running(first);
  const second = await fleet.submit('b.safetensors');
  const { models } = fleet.ledger;
  const reason = await until('it is said that there is no space', async () => {
    const [{ copies } = { copies: new Map() }] = await models.folders();
    return copies.get('checkpoints/b.safetensors')?.error?.code;
  });
  expect(reason).toBe('no_space');
  expect(fleet.has('a.safetensors')).toBe(true);
  gpu.set({ stepMs: 0 });
  expect(await fleet.ended(first)).toMatchObject({ status: 'succeeded' });
  expect(await fleet.ended(second)).toMatchObject({ status: 'succeeded', submissions: 1 });
  expect([fleet.has('a.safetensors'), fleet.has('b.safetensors')]).toEqual([false, true]);
  const again = await fleet.submit('a.safetensors');
  expect(await fleet.ended(again)).toMatchObject({ status: 'succeeded', submissions: 1 });
});

it('evicts what jobs in work of a key use beyond its share of the space, as soon as these have ended', async () => {
  const names = ['a.safetensors', 'b.safetensors'] as const;
  const fleet = await openWithModels([...names, 'c.safetensors'], { maxBytes: ROOM + MIB });
  const gpus = await Promise.all([1, 2].map(() => aGpu(1000, { modelsDir: fleet.modelsDir })));
  await fleet.startWorker(
    'w',
    gpus.map(({ url }) => url),
  );
  const ids = await Promise.all(names.map((name) => fleet.submit(name, { steps: 150 }, 'k')));
  for (const id of ids) await fleet.running(id);
  ids.push(await fleet.submit('c.safetensors', {}, 'l'));
  const { models } = fleet.ledger;
  await until('one of them is about to be deleted', async () => {
    const [{ copies } = { copies: new Map() }] = await models.folders();
    return names.some((name) => copies.get(`checkpoints/${name}`)?.state === 'evicting');
  });
  expect(names.map(fleet.has)).toEqual([true, true]);
  // Is not claimed before the model is there again.
  ids.push(...(await Promise.all(names.map((name) => fleet.submit(name, {}, 'k')))));
  for (const gpu of gpus) gpu.set({ stepMs: 0 });
  for (const id of ids) expect(await fleet.ended(id)).toMatchObject({ status: 'succeeded' });
});

it('keeps a model that is pinned in the pool of the host, and fetches it without a job', async () => {
  const fleet = await openWithModels(['a.safetensors'], { maxBytes: ROOM });
  await fleet.register('pinned.safetensors', { pinned_in: ['default'] });
  const gpu = await aGpu(0, { modelsDir: fleet.modelsDir });
  await fleet.startWorker('w', [gpu.url]);
  await until('it was fetched', () => fleet.has('pinned.safetensors'));
  await fleet.submit('a.safetensors');
  const { models } = fleet.ledger;
  await until('there is no space', async () => {
    const [{ copies } = { copies: new Map() }] = await models.folders();
    return copies.get('checkpoints/a.safetensors')?.error?.code === 'no_space';
  });
  expect(fleet.has('pinned.safetensors')).toBe(true);
});

it('fetches the models of the warm-up before an instance runs it', async () => {
  const fleet = await openWithModels(['warm.safetensors']);
  const gpu = await aGpu(0, { modelsDir: fleet.modelsDir });
  const order = orderWarmUp('text2img', fleet.workflowsWithin(60), loadConfig({}).limits);
  const inputs = { ...order.request.inputs, checkpoint: 'warm.safetensors' };
  const warmUp = { ...order, request: { ...order.request, inputs } };
  const worker = await fleet.startWorker('w', [gpu.url], { warmUp });
  await worker.allUp();
  expect(gpu.journal().filter(({ event }) => event === 'end')).toMatchObject([
    { outcome: 'success', loaded: ['warm.safetensors'] },
  ]);
});
