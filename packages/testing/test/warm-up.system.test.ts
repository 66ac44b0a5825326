import { expect, inject, it, onTestFinished } from 'vitest';
import { createGpus, jobClient, startStack, starts } from '../src/index.js';

const CHECKPOINT = 'sd_xl_base_1.0.safetensors';

it('makes a worker ready once its ComfyUI holds the models of the configured workflow, before any job', async () => {
  const gpus = await createGpus();
  onTestFinished(() => gpus.close());
  const stack = await startStack({ redisUrl: inject('redisUrl') });
  onTestFinished(() => stack.close());
  const gpu = await gpus.start(0);
  await stack.startWorker('w', [gpu.url], { WARM_UP_WORKFLOW: 'text2img' });
  expect(starts(gpu)).toBe(1);
  const jobs = jobClient(stack.url);
  const { id } = await jobs.generate({ prompt: 'a fox', lod: 'sketch' });
  expect((await jobs.ended(id)).status).toBe('succeeded');
  // The job found the model in memory.
  expect(gpu.journal().filter((line) => line.event === 'end')).toMatchObject([
    { loaded: [CHECKPOINT] },
    { loaded: [] },
  ]);
  expect(await (await fetch(`${stack.url}/jobs`)).json()).toMatchObject({ data: [{ id }] });
});
