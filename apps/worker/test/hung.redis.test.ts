import { queueOf, type Simulator, starts, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack } from './worker-stack.js';

/** Short, so that a test ends soon; nothing is expected to happen within this time. */
const GRACE_MS = 300;

const tools = { interruptGraceMs: GRACE_MS };

/** The next prompt hangs in its sampler and ignores interrupts until a restart. */
const hang = (gpu: Simulator) => gpu.faults.add({ kind: 'hang', ignoresInterrupts: true, times: 1 });
const executes = (gpu: Simulator) => until('it executes', async () => (await queueOf(gpu)).running[0]);
const wait = (gpu: Simulator, count: number) =>
  until(`${count} wait there`, async () => (await queueOf(gpu)).pending.length === count);

it('ends a job in time whose prompt ignores the interrupt, gives back what waits behind it, and gives the instance nothing until a restart', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  hang(gpu);
  // The first job's time must not run out before the second job is submitted.
  gpu.faults.add({ kind: 'dead_executor' });
  const worker = await stack.startWorker('w', [gpu.url], { tools: { ...tools, workflows: stack.workflowsWithin(5) } });
  const stuck = await stack.submit();
  await wait(gpu, 1);
  // A level of detail with a longer limit.
  const behind = await stack.submit({ lod: 'final', seed: '2' });
  await wait(gpu, 2);
  gpu.faults.remove(({ kind }) => kind === 'dead_executor');
  expect(await stack.ended(stuck)).toMatchObject({
    status: 'failed',
    attempts: 1,
    error: { code: 'timed_out', detail: expect.stringContaining('ignored the interrupt') },
  });
  await until('what waited behind is back in the queue', async () => (await stack.record(behind)).phase === 'waiting');
  expect((await queueOf(gpu)).pending).toEqual([]);
  const wedged = await until('it is said', async () => {
    const instance = await worker.instance(1);
    return instance?.state === 'wedged' && instance;
  });
  expect(wedged.reason).toMatch(/^it was asked to stop the node KSampler at \d{4}-.* and goes on; restart it$/);
  const [not] = await worker.notReady(AbortSignal.timeout(60_000));
  expect(not).toMatch(/^no ComfyUI instance is up \(w\/1 is wedged: it was asked to stop /);
  expect(await worker.metrics()).toContain('comfy_fleet_instance_up{instance="w/1"} 0');
  expect(await worker.metrics()).toContain('comfy_fleet_prompts_total{instance="w/1",outcome="wedged"} 1');
  expect(starts(gpu)).toBe(1);
  gpu.drop();
  expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', attempts: 1, kills: 0 });
  expect(starts(gpu)).toBe(2);
  expect(await stack.record(stuck)).toMatchObject({ status: 'failed', attempts: 1 });
});

it('retries a job on another instance when its time was up on a hung one', async () => {
  const stack = await openStack();
  const [sick, well] = [await aGpu(), await aGpu()];
  hang(sick);
  const within = { tools: { ...tools, workflows: stack.workflowsWithin(5) } };
  const worker = await stack.startWorker('w', [sick.url, well.url], within);
  await worker.allUp();
  const id = await stack.submit();
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 2 });
  expect(await worker.instance(1)).toMatchObject({ state: 'wedged' });
  expect([starts(sick), starts(well)]).toEqual([1, 1]);
});

it('ends a hung job as canceled, does not render it again, and ignores its late outputs', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'hang', ignoresInterrupts: true });
  const worker = await stack.startWorker('w', [gpu.url], { tools });
  const id = await stack.submit();
  await executes(gpu);
  await stack.cancel(id);
  expect(await stack.ended(id)).toMatchObject({ status: 'canceled', outputs: [] });
  await until('it is named', async () => (await worker.instance(1))?.state === 'wedged');
  gpu.faults.remove();
  await until(
    'it is up again, since the prompt has ended by itself',
    async () => (await worker.instance(1))?.state === 'up',
  );
  const next = await stack.submit({ seed: '2' });
  expect(await stack.ended(next)).toMatchObject({ status: 'succeeded' });
  expect(await stack.record(id)).toMatchObject({ status: 'canceled', outputs: [], attempts: 1 });
  expect(starts(gpu)).toBe(2);
});

it('moves jobs that wait behind a hung prompt to another instance', async () => {
  const stack = await openStack();
  const [sick, well] = [await aGpu(), await aGpu()];
  hang(sick);
  await stack.startWorker('w', [sick.url], { tools });
  const stuck = await stack.submit();
  await executes(sick);
  const behind = await stack.submit({ seed: '2' });
  await wait(sick, 1);
  await stack.cancel(stuck);
  await stack.startWorker('v', [well.url], { tools });
  expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', instance: 'v/1', attempts: 1 });
  expect(await stack.ended(stuck)).toMatchObject({ status: 'canceled' });
  expect([starts(sick), starts(well)]).toEqual([1, 1]);
});

it('is still known to a worker that is restarted while its instance hangs', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  hang(gpu);
  const first = await stack.startWorker('w', [gpu.url], { tools });
  const id = await stack.submit();
  await executes(gpu);
  await stack.cancel(id);
  await stack.ended(id);
  const { since } = (await until('it is said', async () => {
    const instance = await first.instance(1);
    return instance?.state === 'wedged' && instance;
  })) as { since: number };
  await first.stop();
  const next = await stack.submit({ seed: '2' });
  const second = await stack.startWorker('w', [gpu.url], { tools });
  expect(
    await until('it is said', async () => {
      const instance = await second.instance(1);
      return instance?.state === 'wedged' && instance;
    }),
  ).toMatchObject({ since, reason: expect.stringContaining('KSampler') });
  expect((await stack.record(next)).phase).toBe('waiting');
  gpu.drop();
  expect(await stack.ended(next)).toMatchObject({ status: 'succeeded' });
});
