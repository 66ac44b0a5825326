import { resolve } from 'node:path';
import type { JobRecord } from '@comfy-fleet/jobs';
import { loadWorkflows, openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import type { Instance } from '../src/instance/instance.js';
import { canRun, createKnownWorkflows } from '../src/instance/known-workflows.js';
import { folderOnly } from './held.js';

const folder = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
const { version, text } = openUpload(
  'invert',
  JSON.stringify({ 1: { class_type: 'SaveImage', inputs: { images: 'x' } } }),
);
const request = { workflow: 'invert', version };
const { signal } = new AbortController();

it('reads a version once and then remembers it', async () => {
  const asked: string[] = [];
  const known = createKnownWorkflows(async (wanted) => {
    asked.push(wanted.request.version);
    return text;
  }, folder.profiles);
  expect(known.of(request)).toBeUndefined();
  const [one, two] = await Promise.all([
    known.load({ id: '', request }, signal),
    known.load({ id: '', request }, signal),
  ]);
  expect([one, two, known.of(request)]).toEqual([one, one, one]);
  expect(one).toMatchObject({ name: 'invert', version });
  expect(asked).toEqual([version]);
});

it('throws workflow_missing for a version that is not stored, and reads it again the next time', async () => {
  const texts = [undefined, text];
  const known = createKnownWorkflows(async () => texts.shift(), folder.profiles);
  await expect(known.load({ id: '', request }, signal)).rejects.toMatchObject({ code: 'workflow_missing' });
  await expect(known.load({ id: '', request }, signal)).resolves.toMatchObject({ version });
});

it('throws workflow_missing for a version that it cannot read', async () => {
  const known = createKnownWorkflows(async () => '{"nodes": []}', folder.profiles);
  await expect(known.load({ id: '', request }, signal)).rejects.toMatchObject({ code: 'workflow_missing' });
});

const workflows = await folderOnly();
const instance = { pools: ['flux', 'fast'], abilities: undefined } as unknown as Instance;
const job = (pool: string) => ({ pool, request: { workflow: 'text2img' } }) as JobRecord;

it('lets an instance run jobs only of the pools that it serves', () => {
  expect(['flux', 'fast', 'default'].map((pool) => canRun(job(pool), instance, workflows))).toEqual([
    true,
    true,
    false,
  ]);
});
