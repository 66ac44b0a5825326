import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobList, newId } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { jobClient, startRedisServer, startSimulator, startStack } from '../src/index.js';

const KIB = 1024;

it('runs a prompt of 1.5 MB with extra data that waited during a restart of Redis', async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.close());
  const gpu = await startSimulator({ previewMethod: 'none' });
  onTestFinished(() => gpu.close());
  const stack = await startStack({ redisUrl: redis.url });
  onTestFinished(() => stack.close());

  const prompt = {
    1: { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 255 } },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
    // Nothing uses its output, so it does not run.
    3: { class_type: 'StringConcatenate', inputs: { string_a: 'g'.repeat(480 * KIB), string_b: '', delimiter: '' } },
  };
  const workflow = { id: newId(), note: 'w'.repeat(1000 * KIB) };
  const id = newId();
  const body = JSON.stringify({ prompt, prompt_id: id, extra_data: { extra_pnginfo: { workflow } } });
  const answer = await fetch(`${stack.url}/comfyui/prompt`, { method: 'POST', body });
  expect([answer.status, await answer.json()]).toEqual([200, expect.objectContaining({ prompt_id: id })]);
  const stored = await readdir(join(stack.framesDir, 'inputs'));
  expect(stored.map((name) => name.replace(/-[0-9a-f-]+\.json$/, '')).sort()).toEqual(['order-graph', 'order-origin']);

  await redis.stop('SIGKILL');
  await redis.restart();
  await stack.startWorker('w', [gpu.url]);
  const { data } = (await (await fetch(`${stack.url}/jobs`)).json()) as JobList;
  const job = await jobClient(stack.url).ended(data[0]?.id ?? '');
  expect([job.status, job.error]).toEqual(['succeeded', null]);
  const history = (await (await fetch(`${gpu.url}/history`)).json()) as Record<string, { prompt: unknown[] }>;
  const [ran] = Object.values(history);
  expect(ran?.prompt[3]).toMatchObject({ extra_pnginfo: { workflow } });
  expect(JSON.stringify(ran?.prompt[2])).toContain('g'.repeat(480 * KIB));
});
