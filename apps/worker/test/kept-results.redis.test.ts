import { startGate, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack } from './worker-stack.js';

const MOST = 1000;

/** Runs jobs whose results take this much memory, and answers which of them had to load their checkpoint. */
async function loadsOf(
  keptPixels: readonly number[],
  { cacheLru = 64, cacheModels = 0, maxKeptNodes = 10_000, isBehind = false } = {},
) {
  const gpu = await aGpu(isBehind ? 300 : 20, { cacheLru, cacheModels });
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url], { tools: { maxKeptPixels: MOST, maxKeptNodes } });
  await worker.allUp();
  const order = (kept: number, seed: number) => {
    const request = { ...aRequest({ seed: `${seed}` }), keptPixels: kept };
    return stack.submit({}, 'default', 'anonymous', { request });
  };
  const ids: string[] = [];
  for (const [index, kept] of keptPixels.entries()) {
    ids.push(await order(kept, index));
    if (!isBehind) await stack.ended(ids[index] ?? '');
  }
  for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
  return gpu.journal().flatMap((line) => (line.event === 'end' ? [line.loaded.length > 0] : []));
}

it('has ComfyUI drop the results of ended jobs before those of the next one would make them too large', async () => {
  expect(await loadsOf([400, 400, 400, 400, 100, 200])).toEqual([true, false, true, false, false, true]);
});

it('charges the keys whose results made it drop them for the models that are loaded again', async () => {
  const gpu = await aGpu(20, { cacheLru: 64, modelLoadMs: 500 });
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url], { tools: { maxKeptPixels: MOST } });
  await worker.allUp();
  const run = async (key: string, keptPixels: number, seed: string) => {
    const id = await stack.submit({}, 'default', key, { request: { ...aRequest({ seed }), keptPixels } });
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
  };
  const charged = async (key: string) => (await stack.ledger.accounts.usage(key, 1))[0]?.gpuMs ?? 0;
  await run('victim', 1, '1');
  await run('mallory', 900, '2');
  const before = { victim: await charged('victim'), mallory: await charged('mallory') };
  await run('mallory', 900, '3');
  // For the load before its own job, and for that of the next job.
  await until('mallory is charged twice', async () => (await charged('mallory')) > before.mallory + 900);
  expect((await charged('victim')) - before.victim).toBeLessThan(100);
});

it('has results dropped between jobs that wait in ComfyUI behind each other', async () => {
  expect(await loadsOf([900, 900, 900, 900], { isBehind: true })).toEqual([true, true, true, true]);
});

it.each([
  ['keeps only the results of the last prompt', { cacheLru: 0 }],
  ['drops results itself when memory is low', { cacheModels: 4 }],
])('leaves a ComfyUI alone that %s', async (_kind, mode) => {
  expect(await loadsOf([900, 900, 900], mode)).toEqual([true, false, false]);
});

it.each([
  ['keeps only the results of the last prompt', { cacheLru: 0 }],
  ['drops results itself when memory is low', { cacheModels: 4 }],
])('has a ComfyUI that %s drop them after many nodes, too', async (_kind, mode) => {
  expect(await loadsOf([1, 1, 1, 1], { ...mode, maxKeptNodes: 20 })).toEqual([true, false, true, false]);
});

it('remembers the results of a ComfyUI whose socket broke, because it may still keep them', async () => {
  const gpu = await aGpu(20, { cacheLru: 64 });
  const stack = await openStack();
  const gate = await startGate(gpu.port);
  const worker = await stack.startWorker('w', [gate.url], { tools: { maxKeptPixels: MOST } });
  await worker.allUp();
  const run = async (seed: string) => {
    const id = await stack.submit({}, 'default', 'anonymous', { request: { ...aRequest({ seed }), keptPixels: 900 } });
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
  };
  await run('1');
  await gate.close();
  const again = await startGate(gpu.port, Number(new URL(gate.url).port));
  onTestFinished(() => again.close());
  await run('2');
  const loads = gpu.journal().flatMap((line) => (line.event === 'end' ? [line.loaded.length > 0] : []));
  expect(loads).toEqual([true, true]);
});
