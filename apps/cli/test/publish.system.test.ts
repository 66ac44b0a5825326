import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import { createGpus, jobClient, removeFolder, startStack } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { run, WORKFLOWS_DIR } from './run.js';

it('publishes a file, shows it, and jobs run it even on a worker that has another file of that name', async () => {
  const gpus = await createGpus();
  onTestFinished(() => gpus.close());
  const stack = await startStack({ redisUrl: inject('redisUrl') });
  onTestFinished(() => stack.close());
  const gpu = await gpus.start(0);
  await stack.startWorker('w', [gpu.url]);
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-publish-'));
  onTestFinished(() => removeFolder(dir));
  const file = join(dir, 'mine.json');
  const text = await readFile(join(WORKFLOWS_DIR, 'text2img.json'), 'utf8');
  await writeFile(file, text.replace(/"title": "Save[^"]*"/, '"title": "output:poster"'));
  await writeFile(join(dir, 'mine.inputs.json'), JSON.stringify({ description: 'Posters' }));

  const url = ['--url', stack.url];
  const added = await run(['workflows', 'add', file, '--name', 'text2img', '--json', ...url]);
  expect([added.code, added.stderr]).toEqual([0, `text2img is published at ${stack.url}.\n`]);
  const { version } = JSON.parse(added.stdout) as WorkflowAnswer;
  const listed = JSON.parse((await run(['workflows', 'list', '--json', ...url])).stdout) as WorkflowList;
  expect(listed.data).toContainEqual(expect.objectContaining({ name: 'text2img', version, source: 'registry' }));
  expect((await run(['workflows', 'show', 'text2img', ...url])).stdout).toContain(
    `text2img: Posters\nversion ${version}`,
  );

  const jobs = jobClient(stack.url);
  const { id } = await jobs.generate({ prompt: 'a fox', lod: 'sketch' });
  expect((await jobs.ended(id)).status).toBe('succeeded');
  const job = await (await fetch(`${stack.url}/jobs/${id}`)).json();
  expect(job).toMatchObject({ request: { version } });

  const refused = await run(['workflows', 'add', file, '--name', 'graph', ...url]);
  expect([refused.code, refused.stderr]).toEqual([
    3,
    expect.stringContaining('answered 422: The name graph is reserved'),
  ]);
});
