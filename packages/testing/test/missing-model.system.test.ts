import type { Job } from '@comfy-fleet/contracts';
import { expect, inject, it, onTestFinished } from 'vitest';
import { createGpus, jobClient, startSimulator, startStack, until } from '../src/index.js';

const CHECKPOINT = 'sd_xl_base_1.0.safetensors';
const REQUEST = { prompt: 'a lighthouse', lod: 'sketch', width: 64, height: 64, steps: 1, checkpoint: CHECKPOINT };

it('shows which checkpoint a job lacks while its ComfyUI is back without it, and ends the job when it is there', async () => {
  const gpus = await createGpus();
  onTestFinished(() => gpus.close());
  const stack = await startStack({ redisUrl: inject('redisUrl') });
  onTestFinished(() => stack.close());
  const jobs = jobClient(stack.url);
  const first = await gpus.start(0);
  await stack.startWorker('w', [first.url]);
  const waits = (id: string, code: string) =>
    until(`the job waits for ${code}`, async () => {
      const { waiting_for: wait } = (await jobs.get(id)) as Job;
      return wait?.code === code ? wait : undefined;
    });

  await fetch(`${stack.url}/admin/pause`, { method: 'POST' });
  const { id } = await jobs.generate(REQUEST);
  await waits(id, 'paused');
  await first.close();
  await fetch(`${stack.url}/admin/resume`, { method: 'POST' });
  await waits(id, 'no_instance');

  const second = await startSimulator({ port: first.port, stepMs: 0, checkpoints: ['other.safetensors'] });
  onTestFinished(() => second.close());
  expect((await waits(id, 'missing')).missing).toEqual([
    { node: 'CheckpointLoaderSimple', input: 'ckpt_name', value: CHECKPOINT },
  ]);
  await second.close();
  await waits(id, 'no_instance');
  await gpus.start(0, first.port);
  expect((await jobs.ended(id)).status).toBe('succeeded');
});
