import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { deleteOldFiles } from '../src/job/leftovers.js';

const TWO_DAYS_AGO = new Date(Date.now() - 2 * 86_400_000);

/** No job uses any input. */
const UNUSED = async (_sha256: string, remove: () => Promise<void>) => {
  await remove();
  return true;
};

/** An output folder of ComfyUI's with so many old pictures of ours. */
async function outputFolder(old: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leftovers-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (let n = 0; n < old; n++) {
    const path = join(folder, `${newId()}_00001_.png`);
    await writeFile(path, '');
    await utimes(path, TWO_DAYS_AGO, TWO_DAYS_AGO);
  }
  return folder;
}

it('deletes what is old and ours, and leaves the rest', async () => {
  const output = await outputFolder(3);
  await writeFile(join(output, `${newId()}_00001_.png`), 'young');
  await writeFile(join(output, 'mine.png'), 'not ours');
  await utimes(join(output, 'mine.png'), TWO_DAYS_AGO, TWO_DAYS_AGO);
  expect(await deleteOldFiles({ output, input: undefined }, UNUSED)).toBe(3);
  expect(await readdir(output)).toHaveLength(2);
});

it('knows files of every kind as ours, by the prefix that nodes were given', async () => {
  const output = await outputFolder(0);
  for (const end of ['00001_.flac', '00001.mp4', '00001-audio.mp4', '00002_.glb', '00001_.latent', 'notes.txt']) {
    const path = join(output, `${newId()}_${end}`);
    await writeFile(path, '');
    await utimes(path, TWO_DAYS_AGO, TWO_DAYS_AGO);
  }
  expect(await deleteOldFiles({ output, input: undefined }, UNUSED)).toBe(5);
});

it('goes on past a file that is gone when it comes to it', async () => {
  const output = await outputFolder(5);
  // Listed, and not there: as what another instance deletes between the two. Ids sort by time: this one comes first.
  await symlink(join(output, 'nowhere'), join(output, '00000000-0000-7000-8000-000000000000_00001_.png'));
  expect(await deleteOldFiles({ output, input: undefined }, UNUSED)).toBe(5);
});

it('counts each file once when two instances share a folder', async () => {
  const output = await outputFolder(100);
  const both = await Promise.all([1, 2].map(() => deleteOldFiles({ output, input: undefined }, UNUSED)));
  expect((both[0] ?? 0) + (both[1] ?? 0)).toBe(100);
  expect(await readdir(output)).toEqual([]);
});
