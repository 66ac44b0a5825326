import { newId } from '@comfy-fleet/contracts';
import type { Preview } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { type FollowOptions, follow } from '../src/job/follow.js';
import { TakenBack } from '../src/job/signals.js';
import { aSubmittedJob, someInstruments } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aGpu, openStack } from './worker-stack.js';

type Script = Parameters<typeof scriptedComfy>[2];
type Where = Parameters<typeof scriptedComfy>[0];

/** A ComfyUI that has the prompt of a claimed job, and a way to follow it. */
async function setUp(where: Where, script: Script = {}, unreachableMs?: number) {
  let promptId = newId();
  const comfy = await scriptedComfy(where, () => promptId, script);
  const held = await aSubmittedJob(comfy.url, unreachableMs);
  const { job, submission } = held;
  const instruments = someInstruments();
  ({ promptId } = submission);
  const followed = (options: Partial<FollowOptions> = {}) =>
    follow(job, submission, { instruments, pollMs: 5, deadlineMs: 600_000, graceMs: 600_000, ...options });
  return { ...held, comfy, follow: followed };
}

it('reports how a prompt ended even if the socket is silent', async () => {
  const { job, follow } = await setUp('running', {
    onLook: (comfy) => {
      if (comfy.looks > 3) comfy.where = 'succeeded';
    },
  });
  expect(await follow()).toMatchObject({ state: 'ended', entry: { outcome: 'success' }, timedOut: false });
  expect(job.attempts).toBe(1);
});

it('reports whether the instance was unreachable when the prompt is gone', async () => {
  const forgotten = await setUp('running', {
    onLook: (comfy) => {
      if (comfy.looks > 1) comfy.where = 'absent';
    },
  });
  expect(await forgotten.follow()).toMatchObject({ state: 'absent', died: false });
  const restarted = await setUp('running', {
    onLook: (comfy) => {
      if (comfy.looks > 1) comfy.where = comfy.looks > 2 ? 'absent' : 'away';
    },
  });
  expect(await restarted.follow()).toMatchObject({ state: 'absent', died: true });
});

it('counts an execution for the first prompt of an instance that falls silent, even if its beginning was not reported', async () => {
  const script: Script = {
    onLook: (comfy) => {
      if (comfy.looks > 1) comfy.where = 'away';
    },
  };
  const { job, submission, follow } = await setUp('pending', script, 0);
  await expect(follow()).rejects.toMatchObject({ code: 'prompt_lost' });
  expect(submission).toMatchObject({ instanceSilent: true, hasBegun: true });
  expect(job.attempts).toBe(1);
});

it('takes a waiting prompt out of the queue when it is asked back', async () => {
  const { job, comfy, follow } = await setUp('pending');
  job.slot.takeBack();
  await expect(follow()).rejects.toThrow(TakenBack);
  expect([comfy.deletes, comfy.interrupts, job.attempts]).toEqual([1, 0, 0]);
});

it('leaves a prompt alone when it is asked back but already executes', async () => {
  const { job, comfy, follow } = await setUp('running', {
    onLook: (asked) => {
      if (asked.looks > 2) asked.where = 'succeeded';
    },
  });
  job.slot.takeBack();
  expect(await follow()).toMatchObject({ state: 'ended', entry: { outcome: 'success' } });
  expect([comfy.deletes, comfy.interrupts]).toEqual([0, 0]);
});

it('counts an execution as lost, not as taken back, when it began before it could be taken out and was then killed', async () => {
  const { job, submission, follow } = await setUp('pending', {
    // It began between the poll and the request.
    onDelete: (comfy) => {
      comfy.where = 'running';
    },
    onLook: (comfy) => {
      if (comfy.where === 'away') comfy.where = 'absent';
      if (comfy.where === 'running' && comfy.looks > 2) comfy.where = 'away';
    },
  });
  job.slot.takeBack();
  expect(await follow()).toMatchObject({ state: 'absent', died: true });
  expect([submission.hasBegun, job.attempts]).toEqual([true, 1]);
});

it('stops a prompt whose caller cancels: out of the queue while it waits, by an interrupt while it executes', async () => {
  const waiting = await setUp('pending');
  await waiting.cancel();
  expect(await waiting.follow()).toMatchObject({ state: 'absent' });
  expect([waiting.comfy.deletes, waiting.comfy.interrupts]).toEqual([1, 0]);
  const executing = await setUp('running');
  await executing.cancel();
  expect(await executing.follow()).toMatchObject({ state: 'ended', entry: { outcome: 'interrupted' } });
  expect([executing.comfy.deletes, executing.comfy.interrupts]).toEqual([0, 1]);
});

it('interrupts an execution that takes too long, and reports it as timed out', async () => {
  const { comfy, follow } = await setUp('running');
  const end = await follow({ deadlineMs: 1 });
  expect(end).toMatchObject({ state: 'ended', entry: { outcome: 'interrupted' }, timedOut: true });
  expect(comfy.interrupts).toBe(1);
});

it.each([
  ['failed', 74, false],
  ['interrupted', 60_000, true],
] as const)(
  "takes the execution time from ComfyUI's history for a prompt that %s long before the worker looked (%d ms)",
  async (where, tookMs, timedOut) => {
    const { job, submission, follow } = await setUp(where, { tookMs });
    Object.assign(submission, { isAdopted: true, hasBegun: true, beganAt: Date.now() - 3_600_000 });
    expect(await follow({ deadlineMs: 30_000 })).toMatchObject({ state: 'ended', timedOut });
    expect([submission.executedMs, job.attempts]).toEqual([tookMs, 0]);
  },
);

it('gives back a prompt whose start deadline has passed', async () => {
  const { job, comfy, follow } = await setUp('pending');
  Object.assign(job.record, { startDeadline: Date.now() - 1 });
  await expect(follow()).rejects.toThrow(TakenBack);
  expect(comfy.deletes).toBe(1);
});

it('gives up an execution that goes on for longer than the grace after its first interrupt, and not before', async () => {
  const graceMs = 300;
  const { comfy, cancel, follow } = await setUp('running', { onInterrupt: () => {} });
  await cancel();
  const begun = Date.now();
  const end = await follow({ graceMs });
  expect(end).toMatchObject({ state: 'hung' });
  const since = end.state === 'hung' ? end.since : 0;
  expect(since).toBeGreaterThanOrEqual(begun);
  expect(Date.now() - since).toBeGreaterThanOrEqual(graceMs);
  expect(comfy.interrupts).toBeGreaterThan(0);
});

it('interrupts an execution again if it did not react', async () => {
  const { comfy, cancel, follow } = await setUp('running', {
    onInterrupt: (asked) => {
      if (asked.interrupts > 2) asked.where = 'interrupted';
    },
  });
  await cancel();
  expect(await follow()).toMatchObject({ state: 'ended', entry: { outcome: 'interrupted' } });
  expect(comfy.interrupts).toBe(3);
});

it('publishes previews to listeners, small enough for Redis', async () => {
  const stack = await openStack();
  const gpu = await aGpu(1000, { previewMethod: 'latent2rgb' });
  await stack.startWorker('w', [gpu.url]);
  const id = await stack.submit({ steps: 150 });
  const previews: Preview[] = [];
  let last = '';
  for await (const item of stack.ledger.jobs.events(id, { signal: new AbortController().signal })) {
    if (item.kind === 'preview') {
      previews.push(item.preview);
      gpu.set({ stepMs: 0 });
    }
    if (item.kind === 'event' && item.event.type === 'status') last = item.event.status;
  }
  expect(previews[0]?.contentType).toBe('image/jpeg');
  const bytes = Buffer.from(previews[0]?.data ?? '', 'base64');
  expect(bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
  expect(bytes.length).toBeLessThanOrEqual(48 * 1024);
  expect(last).toBe('succeeded');
});
