import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isObject, type Json, type JsonObject } from '../src/python.js';
import { ask, type Got } from './client.js';
import { ending, Running } from './running.js';

const node = (class_type: string, inputs: JsonObject): JsonObject => ({ class_type, inputs });
const frames = node('EmptyImage', { width: 64, height: 48, batch_size: 3, color: 255 });
const audio = node('EmptyAudio', { duration: 1, sample_rate: 44100, channels: 2 });
const video = node('CreateVideo', { images: ['1', 0], fps: 12 });
const mesh = node('VoxelToMeshBasic', { voxel: ['2', 0], threshold: 0.6 });
const voxel = node('VAEDecodeHunyuan3D', {
  samples: ['3', 0],
  vae: ['4', 0],
  num_chunks: 8000,
  octree_resolution: 256,
});
const shape = node('EmptyLatentHunyuan3Dv2', { resolution: 3072, batch_size: 1 });
const vae = node('VAELoader', { vae_name: 'ae.safetensors' });

const FLAC = Buffer.from('fLaC');
const WEBM = Buffer.from([0x1a, 0x45, 0xdf, 0xa3]);

interface Case {
  readonly graph: JsonObject;
  readonly key: string;
  readonly name: RegExp;
  readonly starts?: Buffer;
  readonly more?: JsonObject;
  /** The content type; absent if Python does not know it. */
  readonly type?: string;
}

const prefix = { filename_prefix: 'made/it' };
const cases: Record<string, Case> = {
  SaveWEBM: {
    graph: { '1': frames, '9': node('SaveWEBM', { images: ['1', 0], codec: 'vp9', fps: 24, crf: 32, ...prefix }) },
    key: 'images',
    name: /^it_00001_\.webm$/,
    type: 'video/webm',
    starts: WEBM,
    more: { animated: [true] },
  },
  SaveVideo: {
    graph: {
      '1': frames,
      '2': video,
      '9': node('SaveVideo', { video: ['2', 0], format: 'auto', codec: 'auto', 'format.codec': 'auto', ...prefix }),
    },
    key: 'images',
    name: /^it_00001_\.mp4$/,
    type: 'video/mp4',
    starts: Buffer.from('\0\0\0\x20ftyp'),
    more: { animated: [true] },
  },
  SaveAnimatedWEBP: {
    graph: {
      '1': frames,
      '9': node('SaveAnimatedWEBP', {
        images: ['1', 0],
        fps: 6,
        lossless: true,
        quality: 80,
        method: 'default',
        ...prefix,
      }),
    },
    key: 'images',
    name: /^it_00001_\.webp$/,
    type: 'image/webp',
    starts: Buffer.from('RIFF'),
    more: { animated: [true] },
  },
  SaveAnimatedPNG: {
    graph: { '1': frames, '9': node('SaveAnimatedPNG', { images: ['1', 0], fps: 6, compress_level: 4, ...prefix }) },
    key: 'images',
    name: /^it_00001_\.png$/,
    type: 'image/png',
    more: { animated: [true] },
  },
  SaveAudio: {
    graph: { '1': audio, '9': node('SaveAudio', { audio: ['1', 0], ...prefix }) },
    key: 'audio',
    name: /^it_00001_\.flac$/,
    starts: FLAC,
  },
  SaveAudioMP3: {
    graph: { '1': audio, '9': node('SaveAudioMP3', { audio: ['1', 0], quality: 'V0', ...prefix }) },
    key: 'audio',
    name: /^it_00001_\.mp3$/,
    type: 'audio/mpeg',
    starts: Buffer.from('ID3'),
  },
  SaveAudioOpus: {
    graph: { '1': audio, '9': node('SaveAudioOpus', { audio: ['1', 0], quality: '128k', ...prefix }) },
    key: 'audio',
    name: /^it_00001_\.opus$/,
    type: 'audio/opus',
    starts: Buffer.from('OggS'),
  },
  PreviewAudio: {
    graph: { '1': audio, '9': node('PreviewAudio', { audio: ['1', 0] }) },
    key: 'audio',
    name: /^ComfyUI_temp_[a-z]{5}_00001_\.flac$/,
    starts: FLAC,
  },
  SaveGLB: {
    graph: { '1': mesh, '2': voxel, '3': shape, '4': vae, '9': node('SaveGLB', { mesh: ['1', 0], ...prefix }) },
    key: '3d',
    name: /^it_00001_\.glb$/,
    starts: Buffer.from('glTF\x02\0\0\0'),
  },
  SaveLatent: {
    graph: {
      '1': node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
      '9': node('SaveLatent', { samples: ['1', 0], ...prefix }),
    },
    key: 'latents',
    name: /^it_00001_\.latent$/,
  },
};

describe.each(['0.3.64', '0.33.0'] as const)('an output node of %s', (version) => {
  let running: Running;
  beforeAll(async () => {
    running = await Running.start({ version });
  });
  afterAll(() => running.close());

  async function shown(graph: JsonObject): Promise<JsonObject> {
    const entry = await running.run(graph);
    expect(ending(entry)).toMatchObject(['execution_success', {}]);
    return (entry.outputs as JsonObject)['9'] as JsonObject;
  }

  function get(entry: Json | undefined): Promise<Got> {
    if (!isObject(entry)) throw new Error('no file was listed');
    const query = new URLSearchParams(entry as Record<string, string>);
    return ask(running.simulator.url, 'GET', `/view?${query}`);
  }

  const view = async (entry: Json | undefined) => (await get(entry)).bytes;

  it.each(Object.entries(cases))('writes the right kind of file: %s', async (name, each) => {
    // another prefix for each, because the same inputs would be answered from the cache
    const graph = JSON.parse(JSON.stringify(each.graph).replace('made/it', `${name}/it`)) as JsonObject;
    const { [each.key]: listed, ...rest } = await shown(graph);
    expect(rest).toEqual(each.more ?? {});
    const [entry] = listed as JsonObject[];
    expect(entry?.filename).toMatch(each.name);
    const { bytes, headers } = await get(entry);
    expect(headers['content-type']).toBe(each.type ?? 'application/octet-stream');
    expect(bytes.length).toBeGreaterThan(40);
    expect(bytes.length).toBeLessThan(40_000);
    if (each.starts !== undefined) expect(bytes.subarray(0, each.starts.length)).toEqual(each.starts);
  });

  it('writes animations with all linked frames', async () => {
    const images = node('ImageBatch', { image1: ['1', 0], image2: ['2', 0] });
    const still = {
      '1': { ...frames, inputs: { width: 64, height: 48, batch_size: 1, color: 7 } },
      '2': frames,
      '3': images,
    };
    const webp = node('SaveAnimatedWEBP', { images: ['3', 0], fps: 6, lossless: true, quality: 80, method: 'default' });
    const [entry] = (
      await shown({ ...still, '9': { ...webp, inputs: { ...(webp.inputs as JsonObject), filename_prefix: 'two' } } })
    ).images as JsonObject[];
    expect(await sharp(await view(entry)).metadata()).toMatchObject({ pages: 2, width: 64, height: 48 });
  });

  it('comes after steps of nodes that use a model', async () => {
    const graph = JSON.parse(JSON.stringify(cases.SaveGLB?.graph).replace('made/it', 'steps/it')) as JsonObject;
    const another = node('EmptyLatentHunyuan3Dv2', { resolution: 1024, batch_size: 1 });
    const from = running.listener.texts('progress').length;
    await shown({ ...graph, '3': another });
    const steps = running.listener.texts('progress').slice(from);
    expect(steps.map(({ data }) => data)).toMatchObject([{ node: '2', value: 1, max: 1 }]);
  });

  it('shows a text unchanged', async () => {
    const source = node('PrimitiveStringMultiline', { value: 'a red fox' });
    const text = await shown({ '1': source, '9': node('PreviewAny', { source: ['1', 0] }) });
    expect(text).toEqual({ text: ['a red fox'] });
  });

  it('writes other bytes for other inputs', async () => {
    const made = async (color: number) => {
      const graph = {
        '1': { ...frames, inputs: { ...(frames.inputs as JsonObject), color } },
        '9': node('SaveWEBM', { images: ['1', 0], codec: 'vp9', fps: 24, crf: 32, filename_prefix: 'other' }),
      };
      return view(((await shown(graph)).images as Json[])[0]);
    };
    expect((await made(1)).equals(await made(2))).toBe(false);
  });
});
