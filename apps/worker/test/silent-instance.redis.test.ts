import { queueOf, startGate, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { aGpu, openStack, withInput } from './worker-stack.js';

/** Two steps take so long that no job ends by itself. */
const LONG = { steps: 150 };
const SILENCE = { comfyTimeoutMs: 500, tools: { unreachableMs: 3000 } };

/** A ComfyUI that executes one job at a time, and falls silent when its gate is shut. */
async function aHangable() {
  const gpu = await aGpu(1000);
  const gate = await startGate(gpu.port);
  onTestFinished(() => gate.close());
  return { gpu, gate };
}

const isLost = (stack: Awaited<ReturnType<typeof openStack>>, id: string) =>
  until('it is lost', async () => (await stack.record(id)).promptId === null);

it('an instance that falls silent counts against the job that it executed, not against those behind it', async () => {
  const stack = await openStack();
  const { gpu, gate } = await aHangable();
  await (await stack.startWorker('a', [gate.url], SILENCE)).allUp();
  const killer = await stack.submit(LONG, 'default', 'mallory');
  await stack.running(killer);
  const behind = await stack.submit(LONG, 'default', 'anna');
  await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
  gate.shut();
  await Promise.all([isLost(stack, killer), isLost(stack, behind)]);
  expect(await stack.record(killer)).toMatchObject({ kills: 1, attempts: 1, refusals: 0 });
  expect(await stack.record(behind)).toMatchObject({ kills: 0, attempts: 0, refusals: 0 });
  await stack.startWorker('b', [(await aGpu()).url]);
  expect(await stack.ended(behind)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await stack.ended(killer)).toMatchObject({ status: 'succeeded', attempts: 2 });
});

it.each([
  ['mallory', { kills: 0, faultyAttempts: 1 }],
  ['anna', { kills: 1, faultyAttempts: 0 }],
])(
  'an instance that falls silent at a submission with files counts against the job that it executes only if both are of one key: %s',
  async (key, counted) => {
    const stack = await openStack();
    const { gate } = await aHangable();
    const { stores, request } = await withInput();
    await (await stack.startWorker('a', [gate.url], { ...SILENCE, stores })).allUp();
    const executing = await stack.submit(LONG, 'default', 'anna');
    await stack.running(executing);
    gate.shutAt('POST /prompt');
    const unanswered = await stack.submit(request, 'default', key);
    await until('it is submitted', async () => (await stack.record(unanswered)).submissions === 1);
    await Promise.all([isLost(stack, executing), isLost(stack, unanswered)]);
    expect(await stack.record(executing)).toMatchObject({ attempts: 1, ...counted });
    expect(await stack.record(unanswered)).toMatchObject({ attempts: 0, kills: 0 });
    await stack.startWorker('b', [(await aGpu()).url], { stores });
    expect(await stack.ended(executing)).toMatchObject({ status: 'succeeded', attempts: 2 });
  },
);

it('a job is excused only once for the submissions of another key', async () => {
  const stack = await openStack();
  const { stores, request } = await withInput();
  const executing = await stack.submit(LONG, 'default', 'anna');
  for (const [index, name] of ['a', 'b'].entries()) {
    const { gate } = await aHangable();
    await (await stack.startWorker(name, [gate.url], { ...SILENCE, stores })).allUp();
    await until('it executes', async () => (await stack.record(executing)).attempts === index + 1);
    gate.shutAt('POST /prompt');
    const other = await stack.submit(request, 'default', 'mallory');
    await isLost(stack, executing);
    expect(await stack.record(executing)).toMatchObject({ faultyAttempts: 1, kills: index });
    // Otherwise the next worker might submit it, and so take no other, before its gate is shut.
    await stack.cancel(other);
  }
});

it('an instance that dies and stays away counts against the job that it executed', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  await (await stack.startWorker('a', [gpu.url], SILENCE)).allUp();
  const id = await stack.submit(LONG);
  await stack.running(id);
  await gpu.close();
  await isLost(stack, id);
  expect(await stack.record(id)).toMatchObject({ kills: 1, attempts: 1, refusals: 0 });
});

it('a job fails with instance_killed when two instances fell silent while they executed it', async () => {
  const stack = await openStack();
  const id = await stack.submit(LONG);
  for (const [index, name] of ['a', 'b'].entries()) {
    const { gate } = await aHangable();
    await stack.startWorker(name, [gate.url], SILENCE);
    await until('it executes', async () => (await stack.record(id)).attempts === index + 1);
    gate.shut();
    if (index === 0) await isLost(stack, id);
  }
  const error = { code: 'instance_killed', detail: expect.stringContaining('2 ComfyUI instances died or fell silent') };
  expect(await stack.ended(id)).toMatchObject({ status: 'failed', attempts: 2, error });
});

it('an instance that answers again after a silence is made to stop the lost prompt', async () => {
  const stack = await openStack();
  const { gpu, gate } = await aHangable();
  await (await stack.startWorker('a', [gate.url], SILENCE)).allUp();
  const id = await stack.submit(LONG);
  await stack.running(id);
  const { running } = await queueOf(gpu);
  gate.shut();
  await isLost(stack, id);
  gate.open();
  await until('it was stopped', async () => (await queueOf(gpu)).running[0] !== running[0]);
  gpu.set({ stepMs: 0 });
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 2, kills: 1 });
});
