import type { Preview, Progress } from '@comfy-fleet/jobs';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

/** The events of a job until it has ended. */
async function followed(stack: Awaited<ReturnType<typeof openStack>>, id: string, onPreview: () => void = () => {}) {
  const [reports, previews]: [Progress[], Preview[]] = [[], []];
  for await (const item of stack.ledger.jobs.events(id, { after: '0-0', signal: new AbortController().signal })) {
    if (item.kind === 'event' && item.event.type === 'progress') reports.push(item.event.progress);
    if (item.kind !== 'preview') continue;
    previews.push(item.preview);
    onPreview();
  }
  return { reports, previews };
}

it('reports at the beginning of a job which nodes ComfyUI has cached', async () => {
  const gpu = await aGpu(0);
  const stack = await openStack();
  await stack.startWorker('w', [gpu.url]);
  await stack.run({ seed: '1' });
  gpu.set({ stepMs: 1000 });
  const id = await stack.submit({ seed: '2', steps: 150 });
  await stack.running(id);
  const { cachedNodes } = await stack.record(id);
  gpu.set({ stepMs: 0 });
  const { timings } = await stack.ended(id);
  const cached = timings?.nodes.filter((node) => node.cached).map(({ nodeId }) => nodeId);
  expect(cached?.length).toBeGreaterThan(0);
  expect([...(cachedNodes ?? [])].sort()).toEqual(cached?.sort());
});

it("reports every node that ended, however short, and adds the node's progress to previews", async () => {
  const gpu = await aGpu(1000, { previewMethod: 'latent2rgb' });
  const stack = await openStack();
  await stack.startWorker('w', [gpu.url]);
  const id = await stack.submit({ steps: 150 });
  const { reports, previews } = await followed(stack, id, () => gpu.set({ stepMs: 0 }));
  const { timings } = await stack.record(id);
  const nodes = timings?.nodes.map(({ nodeId }) => nodeId) ?? [];
  const sampler = timings?.nodes.find(({ steps }) => steps === 150)?.nodeId ?? '';
  const reported = reports.flatMap(({ ran = [] }) => ran.map(([node]) => node));
  const before = nodes.slice(0, nodes.indexOf(sampler));
  expect(before.length).toBeGreaterThan(1);
  expect(reported).toEqual(expect.arrayContaining(before));
  expect(previews[0]).toMatchObject({ nodeId: sampler, step: expect.any(Number), steps: 150 });
});

const GIB = 1024 ** 3;

it('announces the device and free memory that an instance reports, also while it executes', async () => {
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
