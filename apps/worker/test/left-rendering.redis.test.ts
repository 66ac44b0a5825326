import { lastEnd, queueOf, starts, until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { aGpu, namesIn, openStack, someStores } from './worker-stack.js';

const LONG = { steps: 150 };

/** A job that executes in an instance of the worker a, which was killed. */
async function aLeftJob() {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit(LONG);
  await stack.leaveExecuting('a', gpu);
  expect((await stack.record(id)).status).toBe('running');
  return { stack, gpu, id };
}

describe('a rendering of a killed worker', () => {
  it('is left to that worker by the others until it is back, and rendered once', async () => {
    const { stack, gpu, id } = await aLeftJob();
    const second = await aGpu();
    await stack.startWorker('b', [second.url]);
    await until('another worker was given the job', async () => (await stack.record(id)).claim > 1);
    // Worker a is dead. Worker b runs another job while the first one is left to a.
    expect(await stack.run()).toMatchObject({ instance: 'b/1' });
    await stack.startWorker('a', [gpu.url]);
    gpu.set({ stepMs: 0 });
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'a/1', attempts: 1 });
    expect([starts(gpu), starts(second)]).toEqual([1, 1]);
  });

  it('is rendered again elsewhere after the time its worker has to return, and stopped when that worker is back', async () => {
    const { stack, gpu, id } = await aLeftJob();
    const second = await aGpu();
    await stack.startWorker('b', [second.url], { adoptWaitMs: 1000 });
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 2 });
    expect((await queueOf(gpu)).running).toHaveLength(1);
    await stack.startWorker('a', [gpu.url]);
    await until('nothing runs there', async () => (await queueOf(gpu)).running.length === 0);
    expect(lastEnd(gpu)).toMatchObject({ outcome: 'interrupted' });
  });

  it("is rendered again elsewhere when the instance was removed from its worker's settings", async () => {
    const stack = await openStack();
    const [removed, kept] = [await aGpu(1000), await aGpu()];
    const id = await stack.submit(LONG);
    await stack.leaveExecuting('w', removed, 2);
    await stack.startWorker('w', [kept.url]);
    expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/1', attempts: 2 });
  });

  it('is canceled through another worker when its own does not return in time', async () => {
    const { stack, id } = await aLeftJob();
    expect((await stack.cancel(id))?.record.status).toBe('canceling');
    const other = await aGpu();
    await stack.startWorker('b', [other.url], { adoptWaitMs: 1000 });
    expect(await stack.ended(id)).toMatchObject({ status: 'canceled', outputs: [], error: null });
    expect(starts(other)).toBe(0);
  });

  it('is interrupted and fails with worker_killed, without outputs, when that worker has died too often', async () => {
    const { stack, gpu, id } = await aLeftJob();
    const stores = await someStores();
    await stores.frames.put(`${id}_1.png`, [Buffer.from('x')], { signal: new AbortController().signal });
    await stack.startWorker('a', [gpu.url], { stores, tools: { maxWorkerDeaths: 1 } });
    expect(await stack.ended(id)).toMatchObject({
      status: 'failed',
      attempts: 1,
      outputs: [],
      error: { code: 'worker_killed' },
    });
    await until('it was interrupted', () => lastEnd(gpu)?.outcome === 'interrupted');
    await until('no picture is left', async () => (await namesIn(stores.frames)).length === 0);
    expect(starts(gpu)).toBe(1);
  });

  it('is interrupted and canceled for its caller, without outputs, even when that worker has died too often', async () => {
    const { stack, gpu, id } = await aLeftJob();
    expect((await stack.cancel(id))?.record.status).toBe('canceling');
    const stores = await someStores();
    await stores.frames.put(`${id}_1.png`, [Buffer.from('x')], { signal: new AbortController().signal });
    await stack.startWorker('a', [gpu.url], { stores, tools: { maxWorkerDeaths: 1 } });
    expect(await stack.ended(id)).toMatchObject({ status: 'canceled', outputs: [], error: null });
    await until('it was interrupted', () => lastEnd(gpu)?.outcome === 'interrupted');
    await until('no picture is left', async () => (await namesIn(stores.frames)).length === 0);
  });
});
