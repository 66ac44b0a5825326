import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder, safetensors, startModelSource, startSimulator, startStack } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { runBuilt } from './run-built.js';

it('models add fetches a model, with which a picture is then made without a restart of ComfyUI', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-cli-models-'));
  onTestFinished(() => removeFolder(dir));
  const source = await startModelSource();
  onTestFinished(() => source.close());
  source.files.set('checkpoints/fox.safetensors', { content: safetensors(100_000) });
  const models = join(dir, 'models');
  await mkdir(models);
  const gpu = await startSimulator({ modelsDir: models });
  onTestFinished(() => gpu.close());
  const stack = await startStack({ redisUrl: inject('redisUrl') });
  onTestFinished(() => stack.close());
  await stack.startWorker('gpu', [gpu.url], { COMFYUI_MODELS_DIR: models, MODEL_SOURCE_ALLOW: '127.0.0.1' });
  const run = (...args: string[]) => runBuilt(args, { COMFY_FLEET_URL: stack.url, XDG_CONFIG_HOME: dir }, dir);
  const make = ['generate', 'a red fox', '--checkpoint', 'fox.safetensors', '--lod', 'sketch'];

  expect(await run(...make)).toMatchObject({ code: 3, stderr: expect.stringContaining('fox.safetensors') });
  const added = await run('models', 'add', `${source.url}/checkpoints/fox.safetensors`);
  expect([added.code, JSON.parse(added.stdout)]).toMatchObject([
    0,
    { kind: 'checkpoints', name: 'fox.safetensors', copies: [{ worker: 'gpu', state: 'ready' }] },
  ]);
  expect(await run(...make)).toMatchObject({ code: 0 });
  const missing = await run('models', 'add', `${source.url}/checkpoints/wolf.safetensors`);
  expect([missing.code, JSON.parse(missing.stdout)]).toMatchObject([
    5,
    { copies: [{ state: 'failed', error: { code: 'refused_by_source' } }] },
  ]);
  expect((await run('models', 'rm', 'checkpoints/wolf.safetensors')).code).toBe(0);
});
