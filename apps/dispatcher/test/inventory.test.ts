import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { createFileFrames, frameName, inputName } from '@comfy-fleet/frames';
import { removeFolder } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { takeInventory } from '../src/housekeeping/inventory.js';

it('keeps little of each file: not its senders, and equal keys and ends of names only once', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'inventory-'));
  onTestFinished(() => removeFolder(dir));
  await mkdir(join(dir, 'inputs'));
  const jobs = [newId(), newId()];
  for (const id of jobs) await writeFile(join(dir, frameName(id, 1)), 'a picture');
  const sent = Array.from({ length: 1100 }, (_, n) => inputName(n.toString(16).padStart(64, '0')));
  await Promise.all(sent.map((name) => writeFile(join(dir, 'inputs', name), 'a picture')));
  const store = (...folders: string[]) => createFileFrames({ dir: join(dir, ...folders), owner: 'test' });
  const asked: number[] = [];
  const { holdings } = await takeInventory(
    { frames: store(), inputs: store('inputs'), derived: store('derived') },
    {
      keysOfJobs: async (ids) => ids.map(() => 'anna'),
      sendersOf: async (digests) => {
        asked.push(digests.length);
        return digests.map(() => [{ key: 'anna', since: 1 }]);
      },
    },
  );
  expect(Math.max(...asked)).toBeLessThan(600);
  expect(holdings.filter(({ kind }) => kind === 'input')).toHaveLength(1100);
  expect(new Set(holdings.map(({ keys }) => keys))).toEqual(new Set([['anna']]));
  expect(holdings.filter(({ kind }) => kind === 'job')).toMatchObject([{ frames: ['_1.png'] }, { frames: ['_1.png'] }]);
});
