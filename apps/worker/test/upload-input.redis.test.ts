import { starts } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { aGpu, openStack, withInput } from './worker-stack.js';

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
