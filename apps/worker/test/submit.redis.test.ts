import { FleetError, newId } from '@comfy-fleet/contracts';
import { createFileFrames } from '@comfy-fleet/frames';
import { expect, it } from 'vitest';
import { Canceled } from '../src/job/signals.js';
import { submit } from '../src/job/submit.js';
import type { Tools } from '../src/job/tools.js';
import { folderOnly } from './folder-only.js';
import { aClaimedJob, INSTANCE_NAMES, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aFolder } from './worker-stack.js';

type Script = Parameters<typeof scriptedComfy>[2];

/** A claimed job, and a ComfyUI that has nothing of it yet. */
async function setUp(script: Script = {}) {
  let promptId: string = newId();
  const comfy = await scriptedComfy('absent', () => promptId, script);
  const held = await aClaimedJob(someSlots(comfy.url));
  const inputs = createFileFrames({ dir: await aFolder(), owner: 'w' });
  const nodeTimes = { of: () => new Map(), learn: () => {} };
  const tools: Partial<Tools> = { workflows: await folderOnly(), nodeTimes, inputs, instanceNames: INSTANCE_NAMES };
  return {
    ...held,
    comfy,
    submit: async () => {
      const submitting = submit(held.job, { ...tools, logPrompts: false } as Tools);
      submitting.catch(() => {});
      return submitting;
    },
    /** It has the prompt that is on the record. */
    recorded: async () => {
      promptId = (await held.record()).promptId ?? promptId;
      return promptId;
    },
  };
}

it('writes the prompt id down before ComfyUI is asked, and waits there under it', async () => {
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

it('sends nothing again whose answer was lost when ComfyUI has it', async () => {
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

it('throws when the answer was lost and ComfyUI does not have it, also at a second look', async () => {
  const set = await setUp({ onSubmit: async () => 'cut' });
  await expect(set.submit()).rejects.toMatchObject({ code: 'instance_unreachable' });
  expect(set.comfy.looks).toBe(2);
  expect(set.job.submission).toMatchObject({ submittedAt: undefined, hasBegun: false });
});

it('throws what ComfyUI says against the prompt', async () => {
  const set = await setUp({ onSubmit: async () => 'refused' });
  await expect(set.submit()).rejects.toMatchObject({ code: 'workflow_rejected' });
});

it('asks ComfyUI nothing for a job that its caller has canceled', async () => {
  const set = await setUp();
  await set.cancel();
  await expect(set.submit()).rejects.toThrow(Canceled);
  expect([set.comfy.submits, set.job.submission]).toEqual([0, undefined]);
});

it('asks ComfyUI nothing for a workflow that it does not have', async () => {
  const set = await setUp();
  Object.assign(set.job.record.request, { workflow: 'unknown', version: '0'.repeat(64) });
  await expect(set.submit()).rejects.toThrow(FleetError);
  expect([set.comfy.submits, (await set.record()).promptId]).toEqual([0, null]);
});
