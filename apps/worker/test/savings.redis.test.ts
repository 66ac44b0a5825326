import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const TOO_FEW = 'too few prompts were observed yet';

it('learns from jobs what encoding ahead saves until ComfyUI restarts, and announces it for the instance', async () => {
  const gpu = await aGpu(0, { encodeMs: 400, cacheLru: 64 });
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url], { encodeAhead: { mode: 'on', leastSavedMs: 50 } });
  const announced = async () => (await worker.instance(1))?.encodeAhead;
  for (const prompt of ['a fox', 'an owl', 'a cat']) await stack.run({ prompt, seed: '1' });
  await until('it is announced that the time of cached texts is unknown', async () => {
    return (await announced())?.state === 'trial';
  });
  let seed = 1;
  const saving = await until('it is announced what a job saves', async () => {
    seed += 1;
    await stack.run({ prompt: 'a cat', seed: `${seed}` });
    const found = await announced();
    return found?.state === 'on' && found;
  });
  expect(saving.text).toMatch(/^saves \d+\.\d s per job$/);

  await gpu.close();
  await aGpu(0, { cacheLru: 64, port: Number(new URL(gpu.url).port) });
  await until('it begins anew after a restart of ComfyUI', async () => (await announced())?.text === TOO_FEW);
});

it('announces for a ComfyUI with other caches why it does not encode ahead', async () => {
  const gpu = await aGpu();
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url]);
  await worker.allUp();
  expect((await worker.instance(1))?.encodeAhead).toMatchObject({ state: 'off', why: 'cache_mode' });
});
