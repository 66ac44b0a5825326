import { resolve } from 'node:path';
import { loadWorkflows, openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { createKnownWorkflows } from '../src/instance/known-workflows.js';

const folder = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
const { version, text } = openUpload(
  'invert',
  JSON.stringify({ 1: { class_type: 'SaveImage', inputs: { images: 'x' } } }),
);
const request = { workflow: 'invert', version };
const { signal } = new AbortController();

it('reads a version once, and knows it from then on', async () => {
  const asked: string[] = [];
  const known = createKnownWorkflows(async (wanted) => {
    asked.push(wanted);
    return text;
  }, folder.profiles);
  expect(known.of(request)).toBeUndefined();
  const [one, two] = await Promise.all([known.load(request, signal), known.load(request, signal)]);
  expect([one, two, known.of(request)]).toEqual([one, one, one]);
  expect(one).toMatchObject({ name: 'invert', version });
  expect(asked).toEqual([version]);
});

it('says so when a version is not there, and asks again the next time', async () => {
  const texts = [undefined, text];
  const known = createKnownWorkflows(async () => texts.shift(), folder.profiles);
  await expect(known.load(request, signal)).rejects.toMatchObject({ code: 'workflow_missing' });
  await expect(known.load(request, signal)).resolves.toMatchObject({ version });
});

it('says so when it cannot read what is there', async () => {
  const known = createKnownWorkflows(async () => '{"nodes": []}', folder.profiles);
  await expect(known.load(request, signal)).rejects.toMatchObject({ code: 'workflow_missing' });
});
