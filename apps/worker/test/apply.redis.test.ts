import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { checkpointOf } from '../src/instance/scope.js';
import { apply } from '../src/job/apply.js';
import type { Decision } from '../src/job/decide.js';
import { Superseded } from '../src/job/signals.js';
import type { Tools } from '../src/job/tools.js';
import { folderOnly } from './folder-only.js';
import { aSubmittedJob, NOWHERE, someInstruments, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { someStores } from './worker-stack.js';

/** A job that waits in a ComfyUI, idle slots of another instance, and a way to apply a decision about it. */
async function setUp() {
  const comfy = await scriptedComfy('absent', () => '');
  const held = await aSubmittedJob(comfy.url);
  const idle = someSlots(NOWHERE, { name: 'w/2' });
  for (const { instance } of [held.job.slot, idle]) instance.health.reached();
  const sent: unknown[] = [];
  const tools: Partial<Tools> = {
    frames: (await someStores()).frames,
    workflows: await folderOnly(),
    instruments: someInstruments(),
    sendOpinion: async (opinion) => {
      sent.push(opinion);
    },
  };
  return {
    ...held,
    idle,
    sent,
    apply: (decision: Decision, error: unknown = undefined) => apply(held.job, decision, error, tools as Tools),
  };
}

const AGAIN: Decision = {
  what: 'again',
  why: 'out_of_memory',
  because: 'of a test',
  code: 'out_of_memory',
  delayMs: 0,
};

it('has a job run again in its slot, with nothing left of the submission that was lost', async () => {
  const { job, submission, apply, record } = await setUp();
  expect(await apply(AGAIN)).toBe(true);
  expect(await record()).toMatchObject({ promptId: null, ooms: 1, phase: 'claimed' });
  expect([job.ooms, job.submission, job.slot.isWaiting]).toEqual([1, undefined, false]);
  expect(submission.isInDoubt).toBe(false);
});

it('gives it back instead while its instance is drained', async () => {
  const { job, apply, record } = await setUp();
  job.slot.slots.drains = true;
  expect(await apply(AGAIN)).toBe(false);
  expect(await record()).toMatchObject({ promptId: null, ooms: 1, phase: 'waiting' });
});

it('gives a job back with its faults and the error on the record, and has the instance take note', async () => {
  const { job, apply, record } = await setUp();
  const fault = { instance: 'w/1', code: 'gpu_failed', print: 'CUDA', suspect: false } as const;
  const blame = new FleetError('comfyui_error', 'It answers 500.');
  const release = { what: 'release', because: 'of a test', code: 'gpu_failed', delayMs: 0 } as const;
  expect(await apply({ ...release, why: 'faulty', faults: [fault], blame })).toBe(false);
  expect(await record()).toMatchObject({
    promptId: null,
    phase: 'waiting',
    faults: [fault],
    retriedAfter: 'gpu_failed',
  });
  const other = { job: 'other', key: 'k', workflow: 'any', checkpoint: 'any' };
  expect(job.instance.health.isSuspectOf(other, { print: 'comfyui_error' })).toBe(true);
});

it('moves a job to the idle slots that it was taken back for, which will hold its models', async () => {
  const { job, idle, apply, record } = await setUp();
  const { slots } = job.slot;
  job.slot.takeBack(idle);
  expect(await apply({ what: 'move' })).toBe(true);
  expect([slots.all.length, idle.all, idle.freeSlots]).toEqual([0, [job.slot], 1]);
  expect(await record()).toMatchObject({ promptId: null, phase: 'claimed' });
  expect(idle.instance.models.loadMs([checkpointOf(job.record.request)])).toBe(0);
});

it('gives it back when those slots are closed by now', async () => {
  const { job, idle, apply, record } = await setUp();
  job.slot.takeBack(idle);
  idle.drains = true;
  expect(await apply({ what: 'move' })).toBe(false);
  expect([idle.all, (await record()).phase]).toEqual([[], 'waiting']);
});

it('ends it when its caller has canceled meanwhile', async () => {
  const { job, idle, cancel, apply, record } = await setUp();
  job.slot.takeBack(idle);
  await cancel();
  expect(await apply({ what: 'move' })).toBe(false);
  expect(await record()).toMatchObject({ status: 'canceled', phase: 'ended' });
});

it('leaves a job as it is for the next worker to adopt', async () => {
  const { submission, apply, record } = await setUp();
  expect(await apply({ what: 'leave' })).toBe(false);
  expect(await record()).toMatchObject({ promptId: submission.promptId, phase: 'waiting' });
});

it('writes nothing of a job that it lets go of', async () => {
  const { submission, apply, record } = await setUp();
  expect(await apply({ what: 'let go' }, new Superseded())).toBe(false);
  expect(await record()).toMatchObject({ promptId: submission.promptId, phase: 'submitted' });
});

it('fails a job with its error, and notifies the instances that are cleared by it', async () => {
  const { job, sent, apply, record } = await setUp();
  const error = new FleetError('node_execution_error', 'no such sampler', { nodeId: '3' });
  expect(await apply({ what: 'fail', error, alikeOn: ['w/1', 'v/1'] })).toBe(false);
  expect(await record()).toMatchObject({
    status: 'failed',
    error: { code: 'node_execution_error', detail: 'no such sampler', nodeId: '3' },
  });
  expect(job.slot.became).toBe('failed');
  expect(sent).toEqual(['w/1', 'v/1'].map((instance) => ({ instance, job: job.record.id, verdict: 'alike' })));
});
