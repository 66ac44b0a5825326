import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { checkpointOf } from '../src/instance/scope.js';
import { apply } from '../src/job/apply.js';
import { type Decision, decide } from '../src/job/decide.js';
import { gatherFacts } from '../src/job/facts.js';
import { Superseded } from '../src/job/signals.js';
import type { Tools } from '../src/job/tools.js';
import { aClaimedJob, aSubmittedJob, folderOnly, NOWHERE, someInstruments, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aGpu, someStores } from './worker-stack.js';

/** A job that waits in a ComfyUI, idle slots of another instance, and a way to apply a decision about the job. */
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
    sendCrossCheck: async (crossCheck) => {
      sent.push(crossCheck);
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
  action: 'again',
  loss: 'out_of_memory',
  reason: 'a test wants it',
  code: 'out_of_memory',
  delayMs: 0,
};

it('runs a job again in its slot and deletes everything of the lost submission', async () => {
  const { job, submission, apply, record } = await setUp();
  expect(await apply(AGAIN)).toBe(true);
  expect(await record()).toMatchObject({ promptId: null, ooms: 1, phase: 'claimed' });
  expect([job.ooms, job.submission, job.slot.isWaiting]).toEqual([1, undefined, false]);
  expect(submission.isInDoubt).toBe(false);
});

it('gives the job back instead while its instance is drained', async () => {
  const { job, apply, record } = await setUp();
  job.slot.slots.drains = true;
  expect(await apply(AGAIN)).toBe(false);
  expect(await record()).toMatchObject({ promptId: null, ooms: 1, phase: 'waiting' });
});

it('gives a job back with its faults and error on the record, and counts the error against the instance', async () => {
  const { job, apply, record } = await setUp();
  const fault = { instance: 'w/1', code: 'gpu_failed', print: 'CUDA', suspect: false } as const;
  const blame = new FleetError('comfyui_error', 'It answers 500.');
  const release = { action: 'release', reason: 'a test wants it', code: 'gpu_failed', delayMs: 0 } as const;
  expect(await apply({ ...release, loss: 'faulty', faults: [fault], blame })).toBe(false);
  expect(await record()).toMatchObject({
    promptId: null,
    phase: 'waiting',
    faults: [fault],
    retriedAfter: 'gpu_failed',
  });
  const other = { job: 'other', key: 'k', workflow: 'any', checkpoint: 'any' };
  expect(job.instance.health.isSuspectOf(other, { print: 'comfyui_error' })).toBe(true);
});

it('moves a job to the idle slots for which it was taken back, and counts its models as held there', async () => {
  const { job, idle, apply, record } = await setUp();
  const { slots } = job.slot;
  job.slot.takeBack(idle);
  expect(await apply({ action: 'move' })).toBe(true);
  expect([slots.all.length, idle.all, idle.freeSlots]).toEqual([0, [job.slot], 1]);
  expect(await record()).toMatchObject({ promptId: null, phase: 'claimed' });
  expect(idle.instance.models.loadMs([checkpointOf(job.record.request)])).toBe(0);
});

it('gives the job back when these slots have closed', async () => {
  const { job, idle, apply, record } = await setUp();
  job.slot.takeBack(idle);
  idle.drains = true;
  expect(await apply({ action: 'move' })).toBe(false);
  expect([idle.all, (await record()).phase]).toEqual([[], 'waiting']);
});

it('ends the job when its caller has canceled meanwhile', async () => {
  const { job, idle, cancel, apply, record } = await setUp();
  job.slot.takeBack(idle);
  await cancel();
  expect(await apply({ action: 'move' })).toBe(false);
  expect(await record()).toMatchObject({ status: 'canceled', phase: 'ended' });
});

it('leaves a job as it is for the next worker to adopt', async () => {
  const { submission, apply, record } = await setUp();
  expect(await apply({ action: 'leave' })).toBe(false);
  expect(await record()).toMatchObject({ promptId: submission.promptId, phase: 'waiting' });
});

it('writes nothing about a job that it lets go of', async () => {
  const { submission, apply, record } = await setUp();
  expect(await apply({ action: 'let go' }, new Superseded())).toBe(false);
  expect(await record()).toMatchObject({ promptId: submission.promptId, phase: 'submitted' });
});

it('fails a job with its error and tells the instances that this clears', async () => {
  const { job, sent, apply, record } = await setUp();
  const error = new FleetError('node_execution_error', 'no such sampler', { nodeId: '3' });
  expect(await apply({ action: 'fail', error, alikeOn: ['w/1', 'v/1'] })).toBe(false);
  expect(await record()).toMatchObject({
    status: 'failed',
    error: { code: 'node_execution_error', detail: 'no such sampler', nodeId: '3' },
  });
  expect(job.slot.became).toBe('failed');
  expect(sent).toEqual(['w/1', 'v/1'].map((instance) => ({ instance, job: job.record.id, verdict: 'alike' })));
});

const asking = {
  instruments: someInstruments(),
  countOthers: async () => 1,
  maxAttempts: 3,
  maxRefusals: 10,
  maxInstanceDeaths: 2,
};

it('fails only the first of two jobs that fail at the same time on an unsuspected instance', async () => {
  const slots = someSlots((await aGpu()).url);
  const [first, second] = [await aClaimedJob(slots), await aClaimedJob(slots)];
  const error = new FleetError('node_execution_error', 'the flux capacitor is empty');
  const facts = await Promise.all([first, second].map(({ job }) => gatherFacts(job, error, asking)));
  expect(facts.map((known) => decide(error, known).action)).toEqual(['fail', 'release']);
});
