import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { type Simulator, startSimulator, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ComfyClient, type Graph, OutputMissing, SubmissionUnknown } from '../../src/index.js';
import { clientOf, failureOf, never } from '../support/client.js';
import { plainPicture } from './graphs.js';
import { ended, listen, run, running, submit } from './session.js';

/** Faults that a real ComfyUI cannot be made to have, so only against the simulator. */
async function simulated(options: Parameters<typeof startSimulator>[0] = {}): Promise<[Simulator, ComfyClient]> {
  const simulator = await startSimulator(options);
  onTestFinished(() => simulator.close());
  return [simulator, clientOf(simulator.url)];
}

const MAX_SEED = 2n ** 64n - 1n;

function textToImage(steps = 3): Graph {
  const encode = (text: string) => ({ class_type: 'CLIPTextEncode', inputs: { text, clip: ['1', 1] } });
  const sampling = { seed: MAX_SEED, steps, cfg: 7, sampler_name: 'euler', scheduler: 'normal', denoise: 1 };
  const links = { model: ['1', 0], positive: ['2', 0], negative: ['3', 0], latent_image: ['4', 0] };
  return {
    '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'sd_xl_base_1.0.safetensors' } },
    '2': encode('a red fox'),
    '3': encode('blurry'),
    '4': { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
    '5': { class_type: 'KSampler', inputs: { ...sampling, ...links } },
    '6': { class_type: 'VAEDecode', inputs: { samples: ['5', 0], vae: ['1', 2] } },
    '7': { class_type: 'SaveImage', inputs: { images: ['6', 0], filename_prefix: 'fox' } },
  };
}

describe('the simulator as 0.33.0', () => {
  it('runs a graph with an old class and without titles', async () => {
    const [, client] = await simulated({ version: '0.33.0' });
    const old = { class_type: 'T2IAdapterLoader', inputs: { t2i_adapter_name: 'control_canny.safetensors' } };
    const entry = await run(client, { '1': old, '2': { class_type: 'PreviewAny', inputs: { source: ['1', 0] } } });
    expect(entry.outcome).toBe('success');
  });

  it('reports the state of a prompt while another one breaks its list of jobs', async () => {
    const [simulator, client] = await simulated({ version: '0.33.0', promptMs: 60_000 });
    const body = JSON.stringify({ prompt: plainPicture(), extra_data: { extra_pnginfo: 'text' } });
    expect((await fetch(`${simulator.url}/prompt`, { method: 'POST', body })).status).toBe(200);
    expect((await fetch(`${simulator.url}/api/jobs`)).status).toBe(500);
    const promptId = await submit(client, plainPicture());
    expect(await client.find(promptId, never())).toEqual({ state: 'pending' });
  });
});

describe.each(['0.3.64', '0.33.0'] as const)('the simulator as %s', (version) => {
  it('writes a seed of 2^64-1 into the PNG', async () => {
    const [, client] = await simulated({ version });
    const entry = await run(client, textToImage());
    const [file] = entry.outputs;
    if (file === undefined) throw new Error('no picture');
    const png = await buffer((await client.view(file, never())).stream);
    expect(png.toString('latin1')).toContain('"seed": 18446744073709551615');
  });

  it('assigns previews to the prompt and its sampler', async () => {
    const [simulator, client] = await simulated({ version });
    const { socket, events, heard } = await listen(simulator.url);
    const promptId = await submit(client, textToImage(), socket.clientId);
    await heard('idle', promptId);
    const previews = events.filter((event) => event.type === 'preview');
    expect(previews.length).toBe(3);
    for (const { contentType, node, promptId: owner, image } of previews) {
      expect([owner, node, contentType]).toEqual([promptId, '5', 'image/jpeg']);
      expect(image.subarray(0, 2).toString('hex')).toBe('ffd8');
    }
  });

  it('does not list the installed checkpoints, however many there are', async () => {
    const checkpoints = Array.from({ length: 25 }, (_, index) => `model${index}.safetensors`);
    const [, client] = await simulated({ version, checkpoints });
    const error = await failureOf(submit(client, textToImage()));
    expect(error.detail).toBe(`ckpt_name 'sd_xl_base_1.0.safetensors' is not installed at CheckpointLoaderSimple 1`);
  });
});

describe('an outcome that is unknown', () => {
  it.each([
    ['error_after_accepting', 'comfyui_error', 'ended'],
    ['reset_after_accepting', 'instance_unreachable', 'ended'],
    ['reset_before_accepting', 'instance_unreachable', 'absent'],
  ] as const)('after %s find tells whether ComfyUI took the prompt', async (kind, code, state) => {
    const [simulator, client] = await simulated();
    simulator.faults.add({ kind, times: 1 });
    const promptId = newId();
    const error = await failureOf(client.submit(plainPicture(), { promptId, clientId: newId(), signal: never() }));
    expect(error).toBeInstanceOf(SubmissionUnknown);
    expect(error.code).toBe(code);
    await until(`the prompt is ${state}`, async () => (await client.find(promptId, never())).state === state);
  });
});

describe('a run that fails', () => {
  it('is out_of_memory when the GPU is full', async () => {
    const [simulator, client] = await simulated();
    simulator.faults.add({ kind: 'out_of_memory', node: 'KSampler', times: 1 });
    const { outcome, error } = await run(client, textToImage());
    expect([outcome, error?.code, error?.nodeId]).toEqual(['error', 'out_of_memory', '5']);
    expect(error?.detail).toBe('The GPU ran out of memory at KSampler 5.');
  });

  it('is absent when the server forgot the prompt', async () => {
    const [simulator, client] = await simulated();
    simulator.faults.add({ kind: 'hang' });
    const promptId = await submit(client, textToImage());
    await running(client, promptId);
    simulator.drop();
    await until('it is absent', async () => {
      const found = await client.find(promptId, never()).catch(() => undefined);
      return found?.state === 'absent';
    });
  });
});

describe('the socket', () => {
  it('reconnects with a new client id when the server cuts it, and reports the next prompt', async () => {
    const [simulator, client] = await simulated();
    const { socket, states, heard } = await listen(simulator.url);
    const before = socket.clientId;
    simulator.drop();
    await until('open again', () => states.length === 3);
    expect(states).toEqual([true, false, true]);
    expect(socket.clientId).not.toBe(before);
    const promptId = await submit(client, plainPicture(), socket.clientId);
    expect(await heard('succeeded', promptId)).toMatchObject({ promptId });
  });

  it('may be silent: the end is known over HTTP', async () => {
    const [simulator, client] = await simulated();
    simulator.faults.add({ kind: 'silent_socket', times: 1 });
    const { socket, events } = await listen(simulator.url);
    const promptId = await submit(client, plainPicture(), socket.clientId);
    expect((await ended(client, promptId)).outcome).toBe('success');
    expect(events.filter((event) => 'promptId' in event)).toEqual([]);
  });
});

describe('view', () => {
  it('waits for a slow picture as long as pieces arrive', async () => {
    const [simulator] = await simulated();
    const client = clientOf(simulator.url, 3000);
    const [file] = (await run(client, textToImage())).outputs;
    if (file === undefined) throw new Error('no picture');
    const whole = await buffer((await client.view(file, never())).stream);
    simulator.faults.add({ kind: 'slow_view', bytesPerSecond: whole.length / 4, times: 1 });
    expect(await buffer((await client.view(file, never())).stream)).toEqual(whole);
  });

  it('is OutputMissing when the cache lists a missing file, until the memory is freed', async () => {
    const [simulator, client] = await simulated();
    const graph = plainPicture();
    const [file] = (await run(client, graph)).outputs;
    if (file === undefined) throw new Error('no picture');
    await rm(join(simulator.dir, 'output', file.subfolder, file.filename));
    const again = await run(client, graph);
    expect([again.outcome, again.outputs]).toEqual(['success', [file]]);
    expect(await failureOf(client.view(file, never()))).toBeInstanceOf(OutputMissing);

    await client.free({ unloadModels: false, freeMemory: true }, never());
    const [anew] = (await run(client, graph)).outputs;
    if (anew === undefined) throw new Error('no picture');
    expect((await buffer((await client.view(anew, never())).stream)).length).toBeGreaterThan(0);
  });
});
