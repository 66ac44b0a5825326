import { FleetError } from '@comfy-fleet/contracts';
import { starts, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack, someStores } from './worker-stack.js';

const NO_SPACE = 'There is no space left where pictures are stored.';

/** Stores whose disk is full until `free` is called. */
async function aFullDisk() {
  let isFull = true;
  const { frames, ...others } = await someStores();
  const put: typeof frames.put = async (name, source, options) => {
    if (!isFull) return frames.put(name, source, options);
    for await (const _ of source) break;
    throw new FleetError('storage_failed', NO_SPACE);
  };
  return {
    stores: { ...others, frames: { ...frames, put } },
    fill: () => {
      isFull = true;
    },
    free: () => {
      isFull = false;
    },
  };
}

it('fails no job of a backlog while outputs cannot be stored, claims nothing, says why, and resumes by itself', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const { stores, free } = await aFullDisk();
  const worker = await stack.startWorker('w', [gpu.url], { stores });
  const begun = Date.now();
  const ids = [await stack.submit()];
  const reason = NO_SPACE.slice(0, -1);
  await expect.poll(() => worker.announced()).toMatchObject({ storeFault: { reason } });
  await expect.poll(() => worker.notReady(AbortSignal.timeout(60_000))).toEqual([reason]);
  expect(await worker.metrics()).toMatch(/^comfy_fleet_storage_up 0$/m);
  for (let n = 1; n < 12; n += 1) ids.push(await stack.submit({ seed: `${n}` }));
  await until('it has looked again', async () => {
    const { seenAt = 0 } = (await worker.announced()) ?? {};
    return seenAt > begun + 2000;
  });
  const phases = (await Promise.all(ids.map(stack.record))).map(({ phase }) => phase);
  expect(phases).not.toContain('ended');
  // The claim loop may have been waiting for a job at that moment.
  expect(phases.filter((phase) => phase === 'waiting').length).toBeGreaterThan(9);
  free();
  for (const id of ids) expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(ids.length);
  await expect.poll(() => worker.metrics()).toMatch(/^comfy_fleet_storage_up 1$/m);
});

it('claims nothing with less disk space than MIN_FREE_BYTES', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  let bytes = 5 * 1024 * 1024;
  const stores = await someStores({ freeBytes: async () => bytes });
  const worker = await stack.startWorker('w', [gpu.url], { stores, minFreeBytes: 10 * 1024 * 1024 });
  const id = await stack.submit();
  const reason = '5 MiB are free where pictures are stored, less than MIN_FREE_BYTES (10 MiB)';
  await expect.poll(() => worker.announced()).toMatchObject({ storeFault: { reason } });
  expect((await stack.record(id)).phase).toBe('waiting');
  bytes *= 4;
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded' });
});

it('fails a job whose output alone cannot be stored, and continues with the others', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const { frames, ...others } = await someStores();
  const first = await stack.submit();
  const put: typeof frames.put = async (name, source, options) => {
    if (typeof name !== 'string' || !name.startsWith(first)) return frames.put(name, source, options);
    throw new FleetError('storage_failed', 'The place where pictures are stored does not work (EFBIG).');
  };
  await stack.startWorker('w', [gpu.url], { stores: { ...others, frames: { ...frames, put } } });
  const second = await stack.submit({ seed: '2' });
  expect(await stack.ended(first)).toMatchObject({ status: 'failed', error: { code: 'storage_failed' } });
  expect(await stack.ended(second)).toMatchObject({ status: 'succeeded' });
});

it('lets a job be canceled while it waits for disk space', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const { stores } = await aFullDisk();
  const worker = await stack.startWorker('w', [gpu.url], { stores });
  const id = await stack.submit();
  await until('it waits', async () => (await worker.announced())?.storeFault);
  await stack.cancel(id);
  expect(await stack.ended(id)).toMatchObject({ status: 'canceled', outputs: [] });
});
