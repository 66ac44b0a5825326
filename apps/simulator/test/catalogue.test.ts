import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../src/python.js';
import { ask } from './client.js';
import { Running } from './running.js';

describe.each(['0.3.64', '0.33.0'] as const)('/object_info of %s', (version) => {
  let running: Running;
  beforeAll(async () => {
    running = await Running.start({ version });
  });
  afterAll(() => running.close());

  /** The choices of an input, in the answer for all classes and in the one for its class. */
  async function choices(classType: string, input: string): Promise<Json[][]> {
    const answers = [await running.get('/object_info'), await running.get(`/object_info/${classType}`)];
    return answers.map((described) => {
      const { required = {} } = (described[classType] as JsonObject).input as Record<string, JsonObject>;
      const [type, options] = required[input] as [Json, JsonObject];
      return (type === 'COMBO' ? options.options : type) as Json[];
    });
  }

  it('gets the same answer until a list of files changes', async () => {
    const before = (await ask(running.simulator.url, 'GET', '/object_info')).bytes;
    const again = (await ask(running.simulator.url, 'GET', '/object_info')).bytes;
    expect(again.equals(before)).toBe(true);
    running.simulator.set({ loras: ['another.safetensors'] });
    expect(await choices('LoraLoader', 'lora_name')).toEqual([['another.safetensors'], ['another.safetensors']]);
  });

  it.each([
    ['UpscaleModelLoader', 'model_name', 'upscale_models'],
    ['CLIPVisionLoader', 'clip_name', 'clip_vision'],
    ['StyleModelLoader', 'style_model_name', 'style_models'],
  ])('lists the files of the right folder: %s.%s', async (classType, input, folder) => {
    running.simulator.set({ modelFiles: { [folder]: ['one.pth', 'two.pth'] } });
    expect(await choices(classType, input)).toEqual([
      ['one.pth', 'two.pth'],
      ['one.pth', 'two.pth'],
    ]);
    expect(await running.get(`/models/${folder}`)).toEqual(['one.pth', 'two.pth']);
  });

  it('lists an uploaded file for the inputs that accept its type', async () => {
    for (const file of ['fox.png', 'fox.mp4', 'fox.flac'])
      writeFileSync(join(running.simulator.dir, 'input', file), '');
    expect((await choices('LoadImage', 'image'))[0]).toEqual(['fox.png']);
    expect((await choices('LoadVideo', 'file'))[0]).toEqual(['fox.mp4']);
    expect((await choices('LoadAudio', 'audio'))[0]).toEqual(['fox.flac', 'fox.mp4']);
  });
});
