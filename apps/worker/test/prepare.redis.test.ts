import { createHash } from 'node:crypto';
import { inputName } from '@comfy-fleet/frames';
import { starts } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { aGpu, openStack, someStores } from './worker-stack.js';

/** Stores with one input picture, which is not found the first `absences` times that it is looked for. */
async function withInput(absences: number) {
  const { inputs, ...others } = await someStores();
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#804020' } })
    .png()
    .toBuffer();
  const sha256 = createHash('sha256').update(png).digest('hex');
  await inputs.put(inputName(sha256), [png], { signal: new AbortController().signal });
  let looks = 0;
  const stat: typeof inputs.stat = async (name) => {
    looks += 1;
    return looks <= absences ? undefined : inputs.stat(name);
  };
  const input = { sha256, width: 64, height: 64 };
  return { stores: { ...others, inputs: { ...inputs, stat } }, request: { workflow: 'img2img', denoise: 0.5, input } };
}

it('finds the picture that a job starts from when it was away for an instant, as the housekeeping has it', async () => {
  const stack = await openStack();
  const { stores, request } = await withInput(1);
  await stack.startWorker('w', [(await aGpu()).url], { stores });
  expect(await stack.ended(await stack.submit(request))).toMatchObject({ status: 'succeeded' });
});

it('fails a job whose picture is really gone', async () => {
  const stack = await openStack();
  const { stores, request } = await withInput(Number.POSITIVE_INFINITY);
  const gpu = await aGpu();
  await stack.startWorker('w', [gpu.url], { stores });
  const ended = await stack.ended(await stack.submit(request));
  expect(ended).toMatchObject({ status: 'failed', attempts: 0, error: { code: 'input_missing' } });
  expect(starts(gpu)).toBe(0);
});
