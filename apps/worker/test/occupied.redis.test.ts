import { queueOf, type Simulator, starts, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, foreignPrompt, openStack } from './worker-stack.js';

type Stack = Awaited<ReturnType<typeof openStack>>;
type Running = Awaited<ReturnType<Stack['startWorker']>>;

const LONG = { steps: 150 };

const isIn = (worker: Running, nth: number, state: string) =>
  until(`instance ${nth} is ${state}`, async () => {
    const instance = await worker.instance(nth);
    return instance?.state === state && instance;
  });

const waiting = (gpu: Simulator, count: number) =>
  until(`${count} wait there`, async () => (await queueOf(gpu)).pending.length === count);

/** The worker runs for this long, so that unwanted effects have time to happen. */
async function announcedAfter(worker: Running, ms: number): Promise<void> {
  const { seenAt = 0 } = (await worker.announced()) ?? {};
  await until(
    `the worker has gone on for ${ms} ms`,
    async () => ((await worker.announced())?.seenAt ?? 0) > seenAt + ms,
  );
}

/** The instance executes a foreign prompt that does not end by itself; answers the prompt's id. */
async function occupy(gpu: Simulator, worker: Running, nth: number): Promise<string> {
  gpu.faults.add({ kind: 'hang', times: 1 });
  const promptId = await foreignPrompt(gpu);
  await isIn(worker, nth, 'occupied');
  return promptId;
}

it('an instance is occupied while it executes a foreign prompt, and its worker is ready', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const worker = await stack.startWorker('w', [gpu.url]);
  await worker.allUp();
  const before = Date.now();
  const promptId = await occupy(gpu, worker, 1);
  const { since, reason } = await until('its node is named', async () => {
    const instance = await worker.instance(1);
    return instance?.reason?.includes('node') && instance;
  });
  expect(since).toBeGreaterThanOrEqual(before);
  expect(reason).toBe(`it executes a prompt that belongs to no job of the fleet (${promptId}, node 5)`);
  expect(await worker.notReady(AbortSignal.timeout(60_000))).toEqual([]);
  const metrics = await worker.metrics();
  expect(metrics).toContain('comfy_fleet_instance_state{instance="w/1",state="occupied"} 1');
  expect(metrics).toContain('comfy_fleet_instance_up{instance="w/1"} 1');
  await fetch(`${gpu.url}/interrupt`, { method: 'POST' });
  expect(await isIn(worker, 1, 'up')).toMatchObject({ reason: null });
});

it('an instance is not occupied by jobs, including one that an earlier worker left there', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit(LONG);
  await stack.leaveExecuting('w', gpu);
  const worker = await stack.startWorker('w', [gpu.url]);
  await isIn(worker, 1, 'up');
  await announcedAfter(worker, 3000);
  gpu.set({ stepMs: 0 });
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await worker.metrics()).toMatch(/transitions_total\{instance="w\/1",to="occupied"\} 0$/m);
});

it('no job waits behind a foreign prompt while another instance can run it, even if that one is busy', async () => {
  const stack = await openStack();
  const [occupied, busy] = [await aGpu(), await aGpu(1000)];
  const first = await stack.startWorker('a', [occupied.url]);
  const second = await stack.startWorker('b', [busy.url]);
  await Promise.all([first.allUp(), second.allUp()]);
  await occupy(occupied, first, 1);
  const ids: string[] = [];
  for (let n = 0; n < 4; n += 1) ids.push(await stack.submit({ ...LONG, seed: `${n}` }));
  await waiting(busy, 1);
  await announcedAfter(first, 3000);
  expect((await queueOf(occupied)).pending).toEqual([]);
  busy.set({ stepMs: 0 });
  for (const id of ids) {
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', submissions: 1 });
  }
  expect(starts(occupied)).toBe(1);
});

it('a job that no other instance can run waits behind a foreign prompt, but the next one does not', async () => {
  const stack = await openStack();
  const [occupied, other] = [await aGpu(), await aGpu()];
  occupied.set({ checkpoints: [...occupied.settings.checkpoints, 'fox.safetensors'] });
  const worker = await stack.startWorker('w', [occupied.url, other.url]);
  await worker.allUp();
  await occupy(occupied, worker, 1);
  const only = await stack.submit({ checkpoint: 'fox.safetensors' });
  await waiting(occupied, 1);
  expect(await stack.run()).toMatchObject({ status: 'succeeded', instance: 'w/2', submissions: 1 });
  await fetch(`${occupied.url}/interrupt`, { method: 'POST' });
  expect(await stack.ended(only)).toMatchObject({ status: 'succeeded', instance: 'w/1', submissions: 1 });
});

it('jobs that ran out of memory elsewhere are not repeatedly submitted to and withdrawn from an occupied instance', async () => {
  const stack = await openStack();
  const [occupied, small] = [await aGpu(), await aGpu()];
  const worker = await stack.startWorker('w', [occupied.url, small.url]);
  await worker.allUp();
  await occupy(occupied, worker, 1);
  small.faults.add({ kind: 'out_of_memory' });
  const ids = [await stack.submit({ seed: '1' }), await stack.submit({ seed: '2' })];
  await until('both ran out of memory twice', async () => {
    const records = await Promise.all(ids.map(stack.record));
    return records.every(({ ooms }) => ooms === 2);
  });
  await announcedAfter(worker, 5000);
  for (const { submissions } of await Promise.all(ids.map(stack.record))) expect(submissions).toBeLessThanOrEqual(3);
  await fetch(`${occupied.url}/interrupt`, { method: 'POST' });
  for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/1' });
});
