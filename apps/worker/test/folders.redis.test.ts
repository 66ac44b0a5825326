import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceFolders } from '@comfy-fleet/config';
import { newId } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import { lastEnd, PICTURE, pictureFile, type Simulator, starts, until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { aGpu, namesIn, openStack, someStores } from './worker-stack.js';

/** The settings of a worker that can access these folders of its ComfyUI. */
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

it("deletes from ComfyUI's disk what a node has saved of a list before its job was canceled", async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const output = join(gpu.dir, 'output');
  await stack.startWorker('w', [], seeing(gpu, { output }));
  const id = await stack.submit({ steps: 150 });
  await stack.running(id);
  const { promptId } = await stack.record(id);
  const reader = stack.worker('reader');
  onTestFinished(() => reader.close());
  const prefix = (await reader.instanceNames()).outputPrefix(String(promptId));
  mkdirSync(output, { recursive: true });
  // ComfyUI lists what a node has saved once all items of the list are done.
  for (const name of [`${prefix}-1_00001_.png`, `${prefix}-1_00002_.exr`, 'others.png']) {
    writeFileSync(join(output, name), 'x');
  }
  await stack.cancel(id);
  expect(await stack.ended(id)).toMatchObject({ status: 'canceled' });
  await until('the files are gone', () => readdirSync(output).length === 1);
  expect(readdirSync(output)).toEqual(['others.png']);
});

it('a finished picture is not rendered again when the worker and then ComfyUI are killed before it is stored', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const id = await stack.submit({ steps: 150, count: 2 });
  await stack.leaveExecuting('w', gpu);
  gpu.set({ stepMs: 0 });
  await until('ComfyUI has rendered it', () => lastEnd(gpu));
  gpu.drop();
  await stack.startWorker('w', [], seeing(gpu, { output: join(gpu.dir, 'output') }));
  const job = await stack.ended(id);
  expect(job).toMatchObject({ status: 'succeeded', attempts: 1, submissions: 1, kills: 0 });
  expect(job.outputs).toHaveLength(2);
  expect(starts(gpu)).toBe(1);
});

it('pictures are rendered again when one of them was incomplete when ComfyUI was killed', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000);
  const output = join(gpu.dir, 'output');
  const id = await stack.submit({ steps: 150, count: 2 });
  await stack.leaveExecuting('w', gpu);
  gpu.set({ stepMs: 0 });
  await until('ComfyUI has rendered it', () => lastEnd(gpu));
  gpu.drop();
  rmSync(join(output, picturesIn(output).at(-1) ?? ''));
  await stack.startWorker('w', [], seeing(gpu, { output }));
  expect(await stack.ended(id)).toMatchObject({ status: 'succeeded', attempts: 2, submissions: 2 });
  expect(starts(gpu)).toBe(2);
});

it('a finished picture is not rendered again when ComfyUI has no history of it', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'lost_history', times: 1 });
  await stack.startWorker('w', [], seeing(gpu, { output: join(gpu.dir, 'output') }));
  expect(await stack.run()).toMatchObject({ status: 'succeeded', attempts: 1, submissions: 1 });
  expect(starts(gpu)).toBe(1);
});

it("deletes the picture that jobs start from from ComfyUI's disk when the last of them has ended, on whichever worker", async () => {
  const stack = await openStack();
  const [slow, quick] = [await aGpu(1000), await aGpu()];
  // As on a shared disk: a file sent to one ComfyUI is visible to the other.
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
  // All work after the end of the job is done.
  await worker.stop();
  expect(ours()).toHaveLength(1);
  await stack.cancel(first);
  await until('the picture is gone', () => ours().length === 0);
});
