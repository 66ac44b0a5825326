import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { adopt } from '../src/job/adopt.js';
import { Canceled } from '../src/job/signals.js';
import type { Tools } from '../src/job/tools.js';
import { folderOnly } from './folder-only.js';
import { aClaimedJob, INSTANCE_NAMES, someInstruments, someSlots } from './held.js';
import { scriptedComfy } from './scripted-comfy.js';
import { aFolder, someStores } from './worker-stack.js';

interface Left {
  /** The instance that an earlier claim gave it to; by default the one that has it now. */
  readonly instance?: string;
  /** It had begun when that claim ended. */
  readonly begun?: boolean;
  /** It has written this into the output folder, which the worker sees. */
  readonly file?: Buffer;
}

/** A job whose submission an earlier claim left in a ComfyUI, where it is now. */
async function setUp(where: Parameters<typeof scriptedComfy>[0], { instance = 'w/1', begun = false, file }: Left = {}) {
  const promptId = newId();
  const comfy = await scriptedComfy(where, () => promptId);
  const output = await aFolder();
  if (file !== undefined) await writeFile(join(output, `prefix-${promptId}-1_00001_.png`), file);
  const slots = someSlots(comfy.url, { folders: { output, input: undefined, temp: undefined } });
  const held = await aClaimedJob(slots, async (ledgers) => {
    const earlier = ledgers.worker('earlier');
    const source = await earlier.claims('default');
    const claim = await until('it is claimed', () => source.next());
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

it('counts one that had begun as begun then, and no second attempt', async () => {
  const { job, adopt, record } = await setUp('running', { begun: true });
  const { startedAt } = await record();
  expect(await adopt()).toMatchObject({ hasBegun: true, beganAt: startedAt, isNoted: false });
  expect(job.attempts).toBe(1);
});

it('takes one that is gone off the record', async () => {
  const { job, adopt, record } = await setUp('absent');
  expect(await adopt()).toBe('gone');
  expect([job.submission, job.left, (await record()).promptId]).toEqual([undefined, undefined, null]);
});

it('takes one that is gone off the record when its file is not whole, and counts it as an attempt', async () => {
  const { job, adopt, record } = await setUp('absent', { file: Buffer.from(PICTURE, 'base64').subarray(0, -1) });
  expect(await adopt()).toBe('gone');
  expect(job.attempts).toBe(1);
  expect(await record()).toMatchObject({ promptId: null, attempts: 1, status: 'queued' });
});

it('gives one up that another instance had, and asks this one nothing', async () => {
  const { job, comfy, adopt, record } = await setUp('running', { instance: 'v/1' });
  expect(await adopt()).toBe(undefined);
  expect([comfy.looks, job.left, (await record()).promptId]).toEqual([0, undefined, null]);
});

it('stops at one that is gone when its caller has canceled', async () => {
  const { adopt, cancel } = await setUp('absent');
  await cancel();
  await expect(adopt()).rejects.toThrow(Canceled);
});
