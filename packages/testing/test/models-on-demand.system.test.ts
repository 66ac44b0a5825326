import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@comfy-fleet/contracts';
import { expect, inject, it, onTestFinished } from 'vitest';
import { removeFolder, safetensors, startModelSource, startSimulator, startStack, until } from '../src/index.js';

const NAME = 'style/ink.safetensors';

/** The graph of text2img with the LoRA. */
async function withLora(): Promise<object> {
  const graph = JSON.parse(await readFile('workflows/text2img.json', 'utf8'));
  const isPatched = (value: unknown) => Array.isArray(value) && value[0] === '1' && value[1] !== 2;
  for (const node of Object.values<{ inputs: Record<string, unknown> }>(graph)) {
    for (const [input, value] of Object.entries(node.inputs)) {
      if (isPatched(value)) node.inputs[input] = ['lora', (value as unknown[])[1]];
    }
  }
  const inputs = { model: ['1', 0], clip: ['1', 1], lora_name: NAME, strength_model: 1, strength_clip: 1 };
  return { ...graph, lora: { class_type: 'LoraLoader', inputs } };
}

it('accepts a job whose LoRA is only registered, fetches it, and runs the job without a restart of ComfyUI', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-models-'));
  onTestFinished(() => removeFolder(dir));
  const content = safetensors(200_000);
  const source = await startModelSource({ bytesPerSecond: 50_000 });
  onTestFinished(() => source.close());
  source.files.set('ink.safetensors', { content });
  const gpu = await startSimulator({ modelsDir: dir });
  onTestFinished(() => gpu.close());
  const stack = await startStack({ redisUrl: inject('redisUrl') });
  onTestFinished(() => stack.close());
  await stack.startWorker('w', [gpu.url], { COMFYUI_MODELS_DIR: dir, MODEL_SOURCE_ALLOW: '127.0.0.1' });
  const call = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${stack.url}${path}`, { method, headers, body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as Job };
  };
  const model = `/models/loras/${encodeURIComponent(NAME)}`;
  expect((await call('PUT', model, { sources: [`${source.url}/ink.safetensors`] })).status).toBe(201);
  const { status, body: accepted } = await call('POST', '/graphs', { graph: await withLora() });
  expect(status).toBe(202);
  const waiting = await until('it waits for the model', async () => {
    const { waiting_for: wait } = (await call('GET', `/jobs/${accepted.id}`)).body;
    return wait?.code === 'models' && wait;
  });
  expect(waiting).toMatchObject({ models: [{ kind: 'loras', name: NAME }] });
  const job = await until('the job has ended', async () => {
    const { body } = await call('GET', `/jobs/${accepted.id}?wait=30`);
    return body.finished_at !== null && body;
  });
  expect(job).toMatchObject({ status: 'succeeded', outputs: [{ kind: 'image' }] });
  expect((await call('GET', model)).body).toMatchObject({ bytes: content.length, copies: [{ state: 'ready' }] });
});
