import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { claimNext, PICTURE, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { adopt } from '../src/job/adopt.js';
import { Canceled } from '../src/job/signals.js';
import type { Tools } from '../src/job/tools.js';
import { aClaimedJob, folderOnly, INSTANCE_NAMES, someInstruments, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aFolder, someStores } from './worker-stack.js';

interface Left {
  /** The instance that the earlier claim used; by default the one that has the prompt now. */
  readonly instance?: string;
  /** The prompt had begun when the earlier claim ended. */
  readonly begun?: boolean;
  /** ComfyUI has written this file into the output folder, which the worker can access. */
  readonly file?: Buffer;
}

/** A job whose submission an earlier claim left in a ComfyUI, where the prompt is now in this state. */
async function setUp(where: Parameters<typeof scriptedComfy>[0], { instance = 'w/1', begun = false, file }: Left = {}) {
  const promptId = newId();
  const comfy = await scriptedComfy(where, () => promptId);
  const output = await aFolder();
  if (file !== undefined) await writeFile(join(output, `prefix-${promptId}-1_00001_.png`), file);
  const slots = someSlots(comfy.url, { folders: { output, input: undefined, temp: undefined } });
  const held = await aClaimedJob(slots, async (ledgers) => {
    const earlier = ledgers.worker('earlier');
    const source = await earlier.claims('default');
    const claim = await until('it is claimed', () => claimNext(source));
    await claim.submit(promptId, instance);
    if (begun) await claim.start(promptId);
    await claim.release(0);
    await source.close();
    await earlier.close();
  });
  const { frames } = await someStores();
  const tools: Partial<Tools> = {
    frames,
    workflows: await folderOnly(),
    instruments: someInstruments(),
    instanceNames: INSTANCE_NAMES,
  };
  return { ...held, comfy, promptId, adopt: () => adopt(held.job, tools as Tools) };
}

it.each(['pending', 'running', 'succeeded', 'failed'] as const)('takes over a submission that is %s', async (where) => {
  const { job, promptId, record, ...set } = await setUp(where);
  const adopted = await set.adopt();
  expect(adopted).toMatchObject({ promptId, isAdopted: true, hasBegun: false });
  expect(job.submission).toBe(adopted);
  expect(await record()).toMatchObject({ promptId });
  expect(set.comfy.submits).toBe(0);
});

it('keeps the recorded beginning of an adopted submission and counts no second attempt', async () => {
  const { job, adopt, record } = await setUp('running', { begun: true });
  const { startedAt } = await record();
  expect(await adopt()).toMatchObject({ hasBegun: true, beganAt: startedAt, isBeginningRecorded: false });
  expect(job.attempts).toBe(1);
});

it('drops a submission that is gone from the record', async () => {
  const { job, adopt, record } = await setUp('absent');
  expect(await adopt()).toBe('gone');
  expect([job.submission, job.left, (await record()).promptId]).toEqual([undefined, undefined, null]);
});

it('drops a submission that is gone when its file is incomplete, and counts it as an attempt', async () => {
  const { job, adopt, record } = await setUp('absent', { file: Buffer.from(PICTURE, 'base64').subarray(0, -1) });
  expect(await adopt()).toBe('gone');
  expect(job.attempts).toBe(1);
  expect(await record()).toMatchObject({ promptId: null, attempts: 1, status: 'queued' });
});

it('gives up a submission of another instance without asking this one', async () => {
  const { job, comfy, adopt, record } = await setUp('running', { instance: 'v/1' });
  expect(await adopt()).toBe(undefined);
  expect([comfy.looks, job.left, (await record()).promptId]).toEqual([0, undefined, null]);
});

it('stops when the submission is gone and the caller has canceled', async () => {
  const { adopt, cancel } = await setUp('absent');
  await cancel();
  await expect(adopt()).rejects.toThrow(Canceled);
});
