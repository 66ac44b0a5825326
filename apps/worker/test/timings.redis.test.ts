import { graphOf } from '@comfy-fleet/contracts';
import type { NodeTiming } from '@comfy-fleet/jobs';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

const titled = (nodes: readonly NodeTiming[]) => new Map(nodes.map((node) => [node.title, node]));

it('reports for an ended job how long each node took, its steps, what was cached, and the load time of models', async () => {
  const gpu = await aGpu(20, { modelLoadMs: 100 });
  const stack = await openStack();
  await stack.startWorker('w', [gpu.url]);
  const first = await stack.run({ seed: '1' });
  const nodes = titled(first.timings?.nodes ?? []);
  expect(nodes.get('Load checkpoint')).toMatchObject({
    className: 'CheckpointLoaderSimple',
    cached: false,
    steps: null,
  });
  expect(nodes.get('Sampler')).toMatchObject({
    className: 'KSampler',
    cached: false,
    steps: first.request.inputs.steps,
  });
  expect(nodes.get('Sampler')?.ms).toBeGreaterThan(0);
  expect(first.timings?.modelLoadMs).toBeGreaterThan(0);

  const second = await stack.run({ seed: '2' });
  expect(titled(second.timings?.nodes ?? []).get('Load checkpoint')).toMatchObject({ cached: true, ms: null });
  expect(second.timings?.modelLoadMs).toBeNull();
});

it('reports for a failed job what was executed until then', async () => {
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'node_error', node: '6' });
  const stack = await openStack();
  await stack.startWorker('w', [gpu.url]);
  const failed = await stack.run({});
  expect(failed.status).toBe('failed');
  expect(titled(failed.timings?.nodes ?? []).get('Sampler')).toMatchObject({ cached: false });
});

it('learns how long nodes take relative to their work: a sampler by its steps and pixels', async () => {
  const gpu = await aGpu(20);
  const stack = await openStack();
  await stack.startWorker('w', [gpu.url]);
  const { request, timings } = await stack.run({ steps: 4, width: 512, height: 256 });
  const { nodeTimes } = stack.worker('reader');
  const known = await until('it is learned', async () => {
    const times = await nodeTimes.read(graphOf(request));
    return times.size > 0 && times;
  });
  const sampler = timings?.nodes.find(({ title }) => title === 'Sampler');
  const { ms = 0, msPerUnit = 0 } = known.get(sampler?.nodeId ?? '') ?? {};
  expect(ms).toBe(sampler?.ms);
  expect(ms / msPerUnit).toBeCloseTo((4 * 512 * 256) / 2 ** 20);
});
