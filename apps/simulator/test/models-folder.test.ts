import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { JsonObject } from '../src/python.js';
import { askJson } from './client.js';
import { textToImage } from './graphs.js';
import { ending, Running } from './running.js';

const NAME = 'style/ink.safetensors';

function withLora(): JsonObject {
  const graph = textToImage();
  const strengths = { strength_model: 1, strength_clip: 1 };
  const sampler = graph['5'] as JsonObject;
  return {
    ...graph,
    '5': { ...sampler, inputs: { ...(sampler.inputs as JsonObject), model: ['9', 0] } },
    '9': { class_type: 'LoraLoader', inputs: { model: ['1', 0], clip: ['1', 1], lora_name: NAME, ...strengths } },
  };
}

it('lists model files that are put into its folder and no longer those that are deleted, as ComfyUI does', async () => {
  const running = await Running.start();
  onTestFinished(() => running.close());
  const folder = join(running.simulator.dir, 'models', 'loras', 'style');
  const loras = () => running.get('/models/loras');
  const refusal = () => askJson(running.simulator.url, 'POST', '/prompt', { prompt: withLora() });
  expect(await loras()).not.toContain(NAME);
  expect(JSON.stringify(await refusal())).toContain('value_not_in_list');

  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ink.safetensors'), '');
  writeFileSync(join(folder, 'ink.safetensors.part'), '');
  expect(await loras()).toEqual(['add_detail.safetensors', 'film_grain.safetensors', NAME]);
  expect(JSON.stringify(await running.get('/object_info/LoraLoader'))).toContain(NAME);
  expect(ending(await running.run(withLora()))[0]).toBe('execution_success');

  rmSync(join(folder, 'ink.safetensors'));
  expect(await loras()).not.toContain(NAME);
});

it('fails a prompt whose model is deleted before it is loaded', async () => {
  const running = await Running.start({ stepMs: 500 });
  onTestFinished(() => running.close());
  const folder = join(running.simulator.dir, 'models', 'loras', 'style');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ink.safetensors'), '');
  await running.submit(textToImage());
  const waiting = running.run(withLora());
  await running.submit(textToImage());
  rmSync(join(folder, 'ink.safetensors'));
  expect(ending(await waiting)).toMatchObject([
    'execution_error',
    {
      exception_type: 'FileNotFoundError',
      exception_message: `Model in folder 'loras' with filename '${NAME}' not found.\n`,
    },
  ]);
});
