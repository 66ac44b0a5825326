import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import { queueOf, type Simulator, startGate, starts, until } from '@comfy-fleet/testing';
import { loadWorkflows } from '@comfy-fleet/workflows';
import { expect, it, onTestFinished } from 'vitest';
import { orderWarmUp } from '../src/upkeep/warm-up-order.js';
import { aGpu, openStack } from './worker-stack.js';

const LONG = { steps: 150 };

const order = orderWarmUp('text2img', await loadWorkflows('workflows'), loadConfig({}).limits);
const warmUp = { ...order, request: { ...order.request, inputs: { ...order.request.inputs, steps: 20 } } };

/** The prompts that it began to execute, in order. */
const begun = (gpu: Simulator) => gpu.journal().flatMap((line) => (line.event === 'start' ? [line.prompt_id] : []));

it('runs on an instance before it gets jobs, is announced meanwhile, and leaves nothing', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit();
  const output = join(gpu.dir, 'output');
  const folders = { output, input: undefined, temp: undefined };
  const instance = { name: '1', url: gpu.url, headers: {}, folders, pools: ['default'] };
  const worker = await stack.startWorker('w', [], { instances: [instance], warmUp });
  await until('it is warmed up', () => starts(gpu) === 1);
  expect(
    await until('it says so', async () => {
      const found = await worker.instance(1);
      return found?.state === 'warming' && found;
    }),
  ).toMatchObject({ reason: 'it gets jobs after it has run text2img to load its models', waiting: [] });
  gpu.set({ stepMs: 0 });
  const job = await stack.ended(id);
  expect(job).toMatchObject({ status: 'succeeded', submissions: 1 });
  expect(begun(gpu)).toEqual([expect.any(String), job.promptId]);
  await until('nothing is left', () => readdirSync(output).every((name) => !name.endsWith('.png')));
});

it('runs again after the instance was restarted', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const worker = await stack.startWorker('w', [gpu.url], { warmUp });
  await until('it is up', async () => (await worker.instance(1))?.state === 'up');
  gpu.drop();
  await until('it was warmed up again', () => starts(gpu) === 2);
  const job = await stack.run();
  expect(begun(gpu).indexOf(job.promptId as string)).toBe(2);
});

it('does not run again when the instance was only unreachable', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const gate = await startGate(gpu.port);
  const worker = await stack.startWorker('w', [gate.url], { warmUp });
  const up = (times: number) =>
    until(`it came up ${times} times`, async () =>
      new RegExp(`transitions_total.*to="up".* ${times}$`, 'm').test(await worker.metrics()),
    );
  await up(1);
  await gate.close();
  await until('it is out of reach', async () => (await worker.instance(1))?.state === 'down');
  const again = await startGate(gpu.port, Number(new URL(gate.url).port));
  onTestFinished(() => again.close());
  await up(2);
  expect(starts(gpu)).toBe(1);
});

it('lets the instance get jobs even if it fails', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({
    kind: 'node_error',
    node: 'KSampler',
    exceptionType: 'ValueError',
    message: 'bad latent',
    times: 1,
  });
  await stack.startWorker('w', [gpu.url], { warmUp });
  expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(2);
});

it('is given up when ComfyUI dies of it twice', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'crash', times: 2 });
  await stack.startWorker('w', [gpu.url], { warmUp });
  expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(3);
});

it('waits for the end of a drain, during which the worker is ready', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const before = await stack.startWorker('w', [gpu.url]);
  await stack.ledger.fleet.halt({ kind: 'instance', name: 'w/1' }, 'operator');
  await before.stop();
  const worker = await stack.startWorker('w', [gpu.url], { warmUp });
  await until('it is ready', async () => (await worker.notReady(AbortSignal.timeout(60_000))).length === 0);
  await until('it says so', async () => {
    const found = await worker.instance(1);
    return found?.state === 'warming' && found.drains;
  });
  expect(starts(gpu)).toBe(0);
  await stack.ledger.fleet.resume({ kind: 'instance', name: 'w/1' });
  await until('it was warmed up', async () => (await worker.instance(1))?.state === 'up' && starts(gpu) === 1);
});

it('waits for a prompt that an earlier process left in the instance, which is adopted', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit(LONG);
  await stack.leaveExecuting('w', gpu);
  const worker = await stack.startWorker('w', [gpu.url], { warmUp });
  await until('it is adopted', async () => (await worker.instance(1))?.running?.job === id);
  expect((await queueOf(gpu)).pending).toEqual([]);
  gpu.set({ stepMs: 0 });
  const job = await stack.ended(id);
  expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
  await until('it is warmed up', async () => (await worker.instance(1))?.state === 'up');
  expect(begun(gpu)).toEqual([job.promptId, expect.any(String)]);
});
