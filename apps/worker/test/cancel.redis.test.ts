import { lastEnd, queueOf, startGate, starts, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { aGpu, foreignPrompt, namesIn, openStack, someStores, withInput } from './worker-stack.js';

/** A job takes minutes, so it does not end by itself. */
const LONG = { steps: 1000 };
const STEP_MS = 200;

/** A worker with one instance that can be cut off, and a way to cancel. */
async function setUp({ stepMs = STEP_MS, stores }: { stepMs?: number; stores?: Stores } = {}) {
  const stack = await openStack();
  const gpu = await aGpu(stepMs);
  const gate = await startGate(gpu.port);
  onTestFinished(() => gate.close());
  const kept = stores ?? (await someStores());
  await stack.startWorker('w', [gate.url], { stores: kept });
  return {
    stack,
    gpu,
    gate,
    frames: kept.frames,
    claimed: (id: string) => until('it is claimed', async () => (await stack.record(id)).phase !== 'waiting'),
    waitsBehind: () => until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1),
    canceled: async (id: string) => {
      const ended = await stack.ended(id);
      expect(ended).toMatchObject({ status: 'canceled', outputs: [], error: null });
      return ended;
    },
  };
}

type Stores = Awaited<ReturnType<typeof someStores>>;

const NOTHING = { running: [], pending: [] };

it('is never submitted when it is canceled while its input file is being uploaded to ComfyUI', async () => {
  const { stores, request } = await withInput();
  const { stack, gpu, gate, claimed, canceled } = await setUp({ stores });
  await stack.run({ steps: 1 });
  gate.shut();
  const id = await stack.submit({ ...request, ...LONG });
  await claimed(id);
  await stack.cancel(id);
  gate.open();
  expect(await canceled(id)).toMatchObject({ attempts: 0, startedAt: null });
  expect(starts(gpu)).toBe(1);
});

it('is stopped when it is canceled while ComfyUI is slow to accept it', async () => {
  const { stack, gpu, gate, claimed, canceled } = await setUp();
  await stack.run({ steps: 1 });
  gate.shut();
  const id = await stack.submit(LONG);
  await claimed(id);
  await stack.cancel(id);
  gate.open();
  await canceled(id);
  expect(await queueOf(gpu)).toEqual(NOTHING);
  expect(gpu.journal().filter((line) => line.event === 'end' && line.outcome === 'success')).toHaveLength(1);
});

it("is taken out of ComfyUI's queue when it waits there, while the prompt before it goes on", async () => {
  const { stack, gpu, waitsBehind, canceled } = await setUp();
  const first = await stack.submit(LONG);
  await stack.running(first);
  const behind = await stack.submit({ ...LONG, seed: '2' });
  await waitsBehind();
  await stack.cancel(behind);
  expect(await canceled(behind)).toMatchObject({ attempts: 0, startedAt: null });
  expect((await queueOf(gpu)).pending).toEqual([]);
  expect((await stack.record(first)).status).toBe('running');
  gpu.set({ stepMs: 0 });
  expect(await stack.ended(first)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(1);
});

it('ends at once and keeps no outputs when it is canceled while they are being collected', async () => {
  const { stack, gpu, frames, canceled } = await setUp({ stepMs: 0 });
  gpu.faults.add({ kind: 'slow_view', ms: 0, times: 1 });
  gpu.faults.add({ kind: 'slow_view', ms: 60_000, times: 1 });
  const id = await stack.submit({ count: 3 });
  await until('one is stored', async () => (await namesIn(frames)).length > 0);
  await stack.cancel(id);
  await canceled(id);
  await until('no picture is left', async () => (await namesIn(frames)).length === 0);
});

it('ends once when the cancel races its end: canceled without an output or succeeded with one', async () => {
  const { stack, frames } = await setUp({ stepMs: 0 });
  const begun = performance.now();
  await stack.run();
  const wholeMs = performance.now() - begun;
  const ends: string[] = [];
  for (let n = 0; n < 12; n += 1) {
    const id = await stack.submit({ seed: `${n}` });
    const submitted = performance.now();
    await until('it is time', () => performance.now() - submitted >= (wholeMs * n) / 9, { everyMs: 1 });
    await stack.cancel(id);
    const { status, outputs } = await stack.ended(id);
    ends.push(status);
    const names = async () => (await namesIn(frames)).filter((name) => name.startsWith(id));
    if (status === 'succeeded') expect(await names()).toEqual([`${id}_1.png`]);
    else {
      expect([status, outputs]).toEqual(['canceled', []]);
      await until('no picture is left', async () => (await names()).length === 0);
    }
  }
  expect(ends).toContain('canceled');
});

it('does not affect prompts before and behind it', async () => {
  const { stack, gpu, waitsBehind, canceled } = await setUp({ stepMs: 0 });
  // The prompt executes until the test has seen enough.
  gpu.faults.add({ kind: 'hang' });
  const before = await foreignPrompt(gpu);
  const waiting = await stack.submit();
  await waitsBehind();
  await stack.cancel(waiting);
  await canceled(waiting);
  expect(await queueOf(gpu)).toEqual({ running: [before], pending: [] });
  gpu.faults.remove();
  await until('the other prompt has ended', () => lastEnd(gpu));
  expect(lastEnd(gpu)).toMatchObject({ prompt_id: before, outcome: 'success' });
  gpu.faults.add({ kind: 'hang' });
  const running = await stack.submit({ seed: '2' });
  await stack.running(running);
  const behind = await foreignPrompt(gpu);
  await stack.cancel(running);
  await canceled(running);
  expect(await queueOf(gpu)).toEqual({ running: [behind], pending: [] });
});
