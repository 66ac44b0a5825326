import { isDeepStrictEqual } from 'node:util';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const [BASE, SMALL] = ['sd_xl_base_1.0.safetensors', 'v1-5-pruned-emaonly.safetensors'];

const counted = (scraped: string, name: string) =>
  Number(new RegExp(`^comfy_fleet_${name}\\{[^}]*instance="w/1"[^}]*\\} (\\S+)$`, 'm').exec(scraped)?.[1]);

it('reports which models an instance holds, how often and how long it loaded some, and how often it did not need to', async () => {
  const gpu = await aGpu(0, { modelLoadMs: 200, cacheModels: 2 });
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url]);
  await stack.run({ checkpoint: BASE, seed: '1' });
  await stack.run({ checkpoint: SMALL, seed: '2' });
  await stack.run({ checkpoint: BASE, seed: '3' });

  await expect.poll(() => worker.instance(1)).toMatchObject({ models: [BASE, SMALL], checkpoint: BASE });
  const scraped = await worker.metrics();
  expect([counted(scraped, 'model_loads_total'), counted(scraped, 'model_loads_avoided_total')]).toEqual([2, 1]);
  const times = await stack.worker('other').loadTimes.read();
  expect([...times.keys()].sort()).toEqual([BASE, SMALL]);
  const sum = [...times.values()].reduce((one, other) => one + other);
  expect(sum).toBeGreaterThan(0);
  // Each was loaded once; the times are rounded to ms.
  expect(Math.abs(counted(scraped, 'model_load_seconds_total') * 1000 - sum)).toBeLessThanOrEqual(1);
});

it('reports only models used since the instance ran out of memory, and none after a restart', async () => {
  const gpu = await aGpu(0, { cacheModels: 2 });
  const stack = await openStack();
  const worker = await stack.startWorker('w', [gpu.url]);
  const announced = (...models: string[]) =>
    until(`it holds ${models}`, async () => isDeepStrictEqual((await worker.instance(1))?.models, models));
  await stack.run({ checkpoint: BASE, seed: '1' });
  await stack.run({ checkpoint: SMALL, seed: '2' });
  await stack.run({ checkpoint: BASE, seed: '3' });
  await announced(BASE, SMALL);
  gpu.faults.add({ kind: 'out_of_memory', clearedByFree: true });
  expect(await stack.run({ checkpoint: BASE, seed: '4' })).toMatchObject({ status: 'succeeded', ooms: 1 });
  await announced(BASE);
  gpu.drop();
  await announced();
});
