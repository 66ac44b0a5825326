import { FleetError, newId } from '@comfy-fleet/contracts';
import { createFileFrames } from '@comfy-fleet/frames';
import { pictureFile, starts } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { Canceled } from '../src/job/signals.js';
import { submit } from '../src/job/submit.js';
import type { Tools } from '../src/job/tools.js';
import { createFastSave } from '../src/submission/fast-save.js';
import { aClaimedJob, folderOnly, INSTANCE_NAMES, quietLog, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aFolder, aGpu, openStack, someStores, withInput } from './worker-stack.js';

type Script = Parameters<typeof scriptedComfy>[2];

/** A claimed job, and a ComfyUI that does not have it yet. */
async function setUp(script: Script = {}) {
  let promptId: string = newId();
  const comfy = await scriptedComfy('absent', () => promptId, script);
  const held = await aClaimedJob(someSlots(comfy.url));
  const inputs = createFileFrames({ dir: await aFolder(), owner: 'w' });
  const nodeTimes = { of: () => new Map(), learn: () => {} };
  const workflows = await folderOnly();
  const { frames } = await someStores();
  const fastSave = createFastSave({ belowMs: 0, workflows, nodeTimes, frames, isBusy: () => false, log: quietLog() });
  const hintBefore = async () => undefined;
  const names = { instanceNames: INSTANCE_NAMES };
  const store = { fault: undefined, failed: async () => {}, hasSpace: async () => true };
  const tools: Partial<Tools> = { workflows, nodeTimes, fastSave, inputs, store, hintBefore, ...names };
  return {
    ...held,
    comfy,
    submit: async (others: Partial<Tools> = {}) => {
      const submitting = submit(held.job, { ...tools, ...others, logPrompts: false } as Tools);
      submitting.catch(() => {});
      return submitting;
    },
    /** The ComfyUI has the recorded prompt. */
    recorded: async () => {
      promptId = (await held.record()).promptId ?? promptId;
      return promptId;
    },
  };
}

it('records the prompt id before ComfyUI is asked, and submits under it', async () => {
  let recordedThen: string | null | undefined;
  const set = await setUp({
    onSubmit: async () => {
      recordedThen = (await set.record()).promptId;
      return undefined;
    },
  });
  const submission = await set.submit();
  expect(recordedThen).toBe(submission.promptId);
  expect(set.job.submission).toBe(submission);
  expect(set.job.slot.isWaiting).toBe(true);
  expect(submission).toMatchObject({ hasBegun: false, isAdopted: false });
});

it('does not send the prompt again when the answer was lost but ComfyUI has it', async () => {
  const set = await setUp({
    onSubmit: async (comfy) => {
      await set.recorded();
      comfy.where = 'pending';
      return 'cut';
    },
  });
  const { promptId } = await set.submit();
  expect([promptId, set.comfy.submits]).toEqual([await set.recorded(), 1]);
});

it('throws when the answer was lost and ComfyUI does not have it, even at a second look', async () => {
  const set = await setUp({ onSubmit: async () => 'cut' });
  await expect(set.submit()).rejects.toMatchObject({ code: 'instance_unreachable' });
  expect(set.comfy.looks).toBe(2);
  expect(set.job.submission).toMatchObject({ submittedAt: undefined, hasBegun: false });
});

it('throws the reason for which ComfyUI refuses the prompt', async () => {
  const set = await setUp({ onSubmit: async () => 'refused' });
  await expect(set.submit()).rejects.toMatchObject({ code: 'workflow_rejected' });
});

it('sends nothing to ComfyUI for a job that its caller has canceled', async () => {
  const set = await setUp();
  await set.cancel();
  await expect(set.submit()).rejects.toThrow(Canceled);
  expect([set.comfy.submits, set.job.submission]).toEqual([0, undefined]);
});

it('waits for no input file when its caller has canceled', async () => {
  const set = await setUp();
  Object.assign(set.job.record.request.inputs, { image: pictureFile('0'.repeat(64)) });
  // Another worker deletes the file, and does not end.
  const use = async () => {
    await set.cancel();
    return false;
  };
  await expect(set.submit({ sharedInputs: { use, deleteUnused: async () => false } })).rejects.toThrow(Canceled);
});

it('sends nothing to ComfyUI for a workflow that it does not have', async () => {
  const set = await setUp();
  Object.assign(set.job.record.request, { workflow: 'unknown', version: '0'.repeat(64) });
  await expect(set.submit()).rejects.toThrow(FleetError);
  expect([set.comfy.submits, (await set.record()).promptId]).toEqual([0, null]);
});

it('finds an input file that was absent for a moment, as during housekeeping', async () => {
  const stack = await openStack();
  const { stores, request } = await withInput(1);
  await stack.startWorker('w', [(await aGpu()).url], { stores });
  expect(await stack.ended(await stack.submit(request))).toMatchObject({ status: 'succeeded' });
});

it('fails a job whose input file is really gone', async () => {
  const stack = await openStack();
  const { stores, request } = await withInput(Number.POSITIVE_INFINITY);
  const gpu = await aGpu();
  await stack.startWorker('w', [gpu.url], { stores });
  const ended = await stack.ended(await stack.submit(request));
  expect(ended).toMatchObject({ status: 'failed', attempts: 0, error: { code: 'input_missing' } });
  expect(starts(gpu)).toBe(0);
});
