import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceFolders } from '@comfy-fleet/config';
import { newId } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { PICTURE, pictureFile, type Simulator, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, namesIn, openStack, someStores } from './worker-stack.js';

/** Of a worker that sees these folders of its ComfyUI. */
const seeing = ({ url }: Simulator, seen: Partial<InstanceFolders>) => {
  const folders = { output: undefined, input: undefined, temp: undefined, ...seen };
  return { instances: [{ name: '1', url, headers: {}, folders, pools: ['default'] }] };
};
const picturesIn = (...folders: string[]) =>
  folders
    .flatMap((folder) => readdirSync(folder))
    .filter((name) => name.endsWith('.png'))
    .sort();

it("deletes pictures from ComfyUI's disk once they are stored, and what is a day old, but nobody else's files", async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  const stores = await someStores();
  const [output, input] = [join(gpu.dir, 'output'), join(gpu.dir, 'input')];
  const old = [join(output, `${newId()}_00001_.png`), join(input, `${'ab'.repeat(32)}.png`)];
  const others = [join(output, 'ComfyUI_00001_.png'), join(input, 'example.png')];
  const young = join(output, `${newId()}_00001_.png`);
  for (const dir of [output, input]) mkdirSync(dir, { recursive: true });
  for (const file of [...old, ...others, young]) writeFileSync(file, 'x');
  for (const file of [...old, ...others]) utimesSync(file, 1, 1);
  const worker = await stack.startWorker('w', [], { stores, ...seeing(gpu, { output, input }) });
  const { id, outputs } = await stack.run({ count: 2 });
  expect(outputs).toHaveLength(2);
  const expected = [...others, young].map((path) => path.split('/').at(-1)).sort();
  await until('the rest is gone', () => picturesIn(output, input).length === expected.length);
  expect(picturesIn(output, input)).toEqual(expected);
  expect((await namesIn(stores.frames)).sort()).toEqual([`${id}_1.png`, `${id}_2.png`]);
  expect(await worker.instance(1)).toMatchObject({ cleansOutputs: true, cleansInputs: true });
});

it("deletes the picture that jobs start from from ComfyUI's disk when the last of them has ended, on whichever worker", async () => {
  const stack = await openStack();
  const [slow, quick] = [await aGpu(1000), await aGpu()];
  // As on a disk that two ComfyUIs share: what one is sent the other has.
  const input = join(slow.dir, 'input');
  rmSync(join(quick.dir, 'input'), { recursive: true, force: true });
  symlinkSync(input, join(quick.dir, 'input'));
  const stores = await someStores();
  const png = Buffer.from(PICTURE, 'base64');
  const sha256 = createHash('sha256').update(png).digest('hex');
  await stores.inputs.put(inputName(sha256), [png], { signal: new AbortController().signal });
  const fromPicture = { workflow: 'img2img', denoise: 0.5, image: pictureFile(sha256) };
  const nameThere = await stack.nameOf(inputName(sha256));
  const ours = () => picturesIn(input).filter((name) => name === nameThere);

  await stack.startWorker('slow', [], { stores, ...seeing(slow, { input }) });
  const first = await stack.submit({ ...fromPicture, steps: 150 });
  await stack.running(first);
  const worker = await stack.startWorker('quick', [], { stores, ...seeing(quick, { input }) });
  expect(await stack.run(fromPicture)).toMatchObject({ status: 'succeeded', instance: 'quick/1' });
  // Whatever it does after the end of a job is done.
  await worker.stop();
  expect(ours()).toHaveLength(1);
  await stack.cancel(first);
  await until('the picture is gone', () => ours().length === 0);
});
