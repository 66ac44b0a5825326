import { FleetError } from '@comfy-fleet/contracts';
import { createLogger } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { createSpaceCheck } from '../src/files/storage.js';

const log = createLogger({ service: 'test', level: 'error', format: 'json' });
const MIB = 1024 * 1024;

/** A volume that answers as it is told, and hangs when it is told nothing. */
function volume() {
  const asked: ((free: number) => void)[] = [];
  return { asked, freeBytes: () => new Promise<number>((resolve) => asked.push(resolve)) };
}

it('takes orders while a volume hangs that never said how full it is, and asks it once', async () => {
  const hanging = volume();
  const requireSpace = createSpaceCheck(hanging, { minFreeBytes: MIB, askMs: 20, log });
  for (let n = 0; n < 3; n++) await requireSpace();
  expect(hanging.asked).toHaveLength(1);
});

it('refuses orders, without waiting for long, while a volume hangs that said last that it is full', async () => {
  const hanging = volume();
  const requireSpace = createSpaceCheck(hanging, { minFreeBytes: MIB, askMs: 20, log });
  const first = requireSpace();
  hanging.asked[0]?.(MIB - 1);
  await expect(first).rejects.toMatchObject({ code: 'storage_full' });
  // Until what it said is old, and it is asked again.
  await until('it is asked again', async () => {
    await expect(requireSpace()).rejects.toBeInstanceOf(FleetError);
    return hanging.asked.length === 2;
  });
  await expect(requireSpace()).rejects.toMatchObject({ code: 'storage_full' });
  hanging.asked[1]?.(MIB);
  await requireSpace();
  expect(hanging.asked).toHaveLength(2);
});
