import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { deleteOldFiles, deleteOutputs } from '../src/instance/leftovers.js';

const TWO_DAYS_AGO = new Date(Date.now() - 2 * 86_400_000);

const NONE = { output: undefined, input: undefined, temp: undefined };

/** No job uses any input. */
const UNUSED = async (_sha256: string, remove: () => Promise<void>) => {
  await remove();
  return true;
};

/** An output folder of ComfyUI with this many old pictures of ours. */
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

it('deletes only old files of ours', async () => {
  const output = await outputFolder(3);
  await writeFile(join(output, `${newId()}_00001_.png`), 'young');
  await writeFile(join(output, 'mine.png'), 'not ours');
  await utimes(join(output, 'mine.png'), TWO_DAYS_AGO, TWO_DAYS_AGO);
  expect(await deleteOldFiles({ ...NONE, output }, UNUSED)).toBe(3);
  expect(await readdir(output)).toHaveLength(2);
});

it('deletes inputs that no open job uses after ten minutes', async () => {
  const input = await outputFolder(0);
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
  const [old, used, young] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(64)}.png`) as [string, string, string];
  for (const name of [old, used, young]) {
    await writeFile(join(input, name), '');
    await utimes(join(input, name), minutesAgo(name === young ? 5 : 15), minutesAgo(name === young ? 5 : 15));
  }
  const unlessUsed = async (digest: string, remove: () => Promise<void>) => digest[0] === 'a' && UNUSED(digest, remove);
  expect(await deleteOldFiles({ ...NONE, input }, unlessUsed)).toBe(1);
  expect((await readdir(input)).sort()).toEqual([used, young]);
});

it('recognises our files of every kind by their prefix', async () => {
  const output = await outputFolder(0);
  for (const end of ['00001_.flac', '00001.mp4', '00001-audio.mp4', '00002_.glb', '00001_.latent', 'notes.txt']) {
    for (const prefix of [newId(), `${'ab'.repeat(32)}-12`]) {
      const path = join(output, `${prefix}_${end}`);
      await writeFile(path, '');
      await utimes(path, TWO_DAYS_AGO, TWO_DAYS_AGO);
    }
  }
  expect(await deleteOldFiles({ ...NONE, output }, UNUSED)).toBe(10);
});

it('skips a file that disappears meanwhile', async () => {
  const output = await outputFolder(5);
  // Listed but missing, like a file that another instance deletes meanwhile. Ids sort by time, so this one comes first.
  await symlink(join(output, 'nowhere'), join(output, '00000000-0000-7000-8000-000000000000_00001_.png'));
  expect(await deleteOldFiles({ ...NONE, output }, UNUSED)).toBe(5);
});

it('counts each file once when two instances share a folder', async () => {
  const output = await outputFolder(100);
  const both = await Promise.all([1, 2].map(() => deleteOldFiles({ ...NONE, output }, UNUSED)));
  expect((both[0] ?? 0) + (both[1] ?? 0)).toBe(100);
  expect(await readdir(output)).toEqual([]);
});

it('deletes only old previews in the temporary folder', async () => {
  const temp = await outputFolder(0);
  const previews = ['ComfyUI_temp_abcde_00001_.png', 'ComfyUI_temp_vwxyz_00012.flac'];
  for (const name of [...previews, 'ComfyUI_00001_.png', 'upload_temp_ab.png', 'notes.txt']) {
    await writeFile(join(temp, name), '');
    await utimes(join(temp, name), TWO_DAYS_AGO, TWO_DAYS_AGO);
  }
  await writeFile(join(temp, 'ComfyUI_temp_young_00001_.png'), '');
  expect(await deleteOldFiles({ ...NONE, temp }, UNUSED)).toBe(2);
  expect((await readdir(temp)).filter((name) => previews.includes(name))).toEqual([]);
});

it("deletes what a history lists, previews as well, but nothing that may be somebody else's, nor outside its folders", async () => {
  const [output, temp] = [await outputFolder(0), await outputFolder(0)];
  const ours = `${'ab'.repeat(32)}-1_00001_.png`;
  const model = `preview3d_${'0f'.repeat(16)}.glb`;
  for (const name of [ours, model, 'holiday.png']) await writeFile(join(output, name), '');
  for (const name of ['ComfyUI_temp_abcde_00001_.png', 'also.png']) await writeFile(join(temp, name), '');
  const listed = (type: string, filename: string, subfolder = '') => ({
    type,
    filename,
    subfolder,
    nodeId: '1',
    key: 'x',
  });
  await deleteOutputs({ ...NONE, output, temp }, [
    listed('output', ours),
    listed('output', model),
    listed('output', 'holiday.png'),
    listed('temp', 'ComfyUI_temp_abcde_00001_.png'),
    listed('temp', 'holiday.png', `../${basename(output)}`),
    listed('input', ours),
  ]);
  expect([await readdir(output), await readdir(temp)]).toEqual([['holiday.png'], ['also.png']]);
  await expect(deleteOutputs(NONE, [listed('temp', 'also.png'), listed('output', ours)])).resolves.toBeUndefined();
});
