import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const GIB = 1024 ** 3;

it('announces the device and the free memory that an instance reports, also while it executes', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000, { deviceName: 'cpu', vramBytes: 20 * GIB });
  const worker = await stack.startWorker('w', [gpu.url]);
  const machineWith = (free: number) =>
    until(`${free} bytes are free`, async () => {
      const machine = (await worker.instance(1))?.machine;
      return machine?.device?.vram.free === free && machine;
    });
  const idle = await machineWith(20 * GIB);
  expect(idle.device).toMatchObject({
    name: 'cpu',
    type: 'cpu',
    vram: { total: 20 * GIB },
    torch: { total: 20 * GIB },
  });
  expect(idle.ram.total).toBeGreaterThan(0);
  await stack.running(await stack.submit({ steps: 150 }));
  await machineWith(7 * GIB);
});
