import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetError } from '@comfy-fleet/contracts';
import { createFileFrames } from '@comfy-fleet/frames';
import { createLogger } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createSpaceCheck, storeWithinSpace } from '../src/files/storage.js';

const log = createLogger({ service: 'test', level: 'error', format: 'json' });
const MIB = 1024 * 1024;

/** A volume that reports the given free space, and hangs when none is given. */
function volume() {
  const asked: ((free: number) => void)[] = [];
  return { asked, freeBytes: () => new Promise<number>((resolve) => asked.push(resolve)) };
}

it('accepts orders while a volume hangs that has never reported its free space, and checks it once', async () => {
  const hanging = volume();
  const requireSpace = createSpaceCheck(hanging, { minFreeBytes: MIB, askMs: 20, log });
  for (let n = 0; n < 3; n++) await requireSpace();
  expect(hanging.asked).toHaveLength(1);
});

it('refuses orders, without a long wait, while a volume hangs whose last report was that it is full', async () => {
  const hanging = volume();
  const requireSpace = createSpaceCheck(hanging, { minFreeBytes: MIB, askMs: 20, log });
  const first = requireSpace();
  hanging.asked[0]?.(MIB - 1);
  await expect(first).rejects.toMatchObject({ code: 'storage_full' });
  // Waits until the report is stale and the volume is checked again.
  await until('it is asked again', async () => {
    await expect(requireSpace()).rejects.toBeInstanceOf(FleetError);
    return hanging.asked.length === 2;
  });
  await expect(requireSpace()).rejects.toMatchObject({ code: 'storage_full' });
  hanging.asked[1]?.(MIB);
  await requireSpace();
  expect(hanging.asked).toHaveLength(2);
});

it('stores nothing of a file when too little space is left in the middle of it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'space-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  let chunks = 0;
  const requireSpace = async () => {
    chunks += 1;
    if (chunks > 2) throw new FleetError('storage_full', 'full');
  };
  const store = storeWithinSpace(createFileFrames({ dir, owner: 'test' }), requireSpace);
  const { signal } = new AbortController();
  const put = (name: string, count: number) => store.put(name, Array(count).fill(Buffer.from('x')), { signal });
  expect(await put('small.bin', 2)).toMatchObject({ bytes: 2 });
  await expect(put('large.bin', 2)).rejects.toMatchObject({ code: 'storage_full' });
  expect(await readdir(dir)).toEqual(['small.bin']);
});
