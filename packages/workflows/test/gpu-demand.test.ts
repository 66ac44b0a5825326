import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PARAMETERS } from '../src/bindings.js';
import type { Catalogue } from '../src/describe/catalogue.js';
import { gpuDemand } from '../src/gpu-demand.js';
import { faultsBeyond, limitsFor, linkedNumberFaults, previewFaults } from '../src/gpu-limits.js';
import type { Graph, Slot } from '../src/graph.js';
import type { LoadedMedia } from '../src/loaded-media.js';
import { LIMITS } from './requests.js';

const NO_SLOTS = Object.fromEntries(PARAMETERS.map((name) => [name, [] as Slot[]])) as Record<
  (typeof PARAMETERS)[number],
  Slot[]
>;
const REAL = new URL('../../../apps/simulator/src/data/object-info-0.33.0.json.gz', import.meta.url);
const catalogue = JSON.parse(gunzipSync(readFileSync(REAL)).toString()) as Catalogue;

type Nodes = Readonly<Record<string, readonly [className: string, inputs: Record<string, unknown>]>>;
const graphOf = (nodes: Nodes): Graph =>
  Object.fromEntries(Object.entries(nodes).map(([id, [class_type, inputs]]) => [id, { class_type, inputs }]));
const demandOf = (nodes: Nodes, known: Catalogue | undefined = catalogue, beside = '') =>
  gpuDemand(graphOf(nodes), { slots: NO_SLOTS, catalogue: known, beside });

/** A sampler `s` that starts from the node `latent`. */
const sampled = (nodes: Nodes, sampler: Record<string, unknown> = {}): Nodes => ({
  ...nodes,
  m: ['CheckpointLoaderSimple', { ckpt_name: 'a.safetensors' }],
  t: ['CLIPTextEncode', { text: 'a fox', clip: ['m', 1] }],
  s: [
    'KSampler',
    { steps: 20, cfg: 8, positive: ['t', 0], negative: ['t', 0], latent_image: ['latent', 0], ...sampler },
  ],
  v: ['VAEDecode', { samples: ['s', 0], vae: ['m', 2] }],
});
const empty = (more: Record<string, unknown> = {}) =>
  ['EmptyLatentImage', { width: 512, height: 512, batch_size: 1, ...more }] as const;
const loadImage = ['LoadImage', { image: 'a.png' }] as const;
/** The nodes, and one that shows the result of one of them. */
const shown = (id: string, nodes: Nodes): Nodes => ({ ...nodes, shown: ['PreviewAny', { source: [id, 0] }] });

describe('the memory of the results of a job', () => {
  const text = (512 * 4096) / 3;
  const image = 512 ** 2;
  it.each<[string, Nodes, number]>([
    ['a picture, its latents, its text', shown('v', sampled({ latent: empty() })), text + image + (2 * image) / 6],
    [
      'latents with as many numbers as their picture',
      shown('l', { l: ['EmptyChromaRadianceLatentImage', { width: 512, height: 512, batch_size: 1 }] }),
      image,
    ],
    [
      'latents that the VAE pixel_space makes',
      shown('e', {
        p: ['EmptyImage', { width: 512, height: 512, batch_size: 1, color: 0 }],
        v: ['VAELoader', { vae_name: 'pixel_space' }],
        e: ['VAEEncode', { pixels: ['p', 0], vae: ['v', 0] }],
      }),
      2 * image,
    ],
    [
      'a clip and each node that changes it',
      shown('2', {
        1: ['EmptyImage', { width: 512, height: 512, batch_size: 50, color: 0 }],
        2: ['ImageInvert', { image: ['1', 0] }],
      }),
      100 * image,
    ],
    [
      'what an encoder makes of each picture, however small it is',
      shown('c', {
        1: ['EmptyImage', { width: 16, height: 16, batch_size: 3, color: 0 }],
        v: ['CLIPVisionLoader', { clip_name: 'siglip.safetensors' }],
        c: ['CLIPVisionEncode', { clip_vision: ['v', 0], image: ['1', 0], crop: 'center' }],
      }),
      3 * 128 ** 2 + 3 * 12_000_000,
    ],
    [
      'what an encoder makes of each second of a sound',
      shown('a', {
        1: ['EmptyAudio', { duration: 10, sample_rate: 3, channels: 1 }],
        e: ['AudioEncoderLoader', { audio_encoder_name: 'wav2vec2.safetensors' }],
        a: ['AudioEncoderEncode', { audio_encoder: ['e', 0], audio: ['1', 0] }],
      }),
      10 + 10 * 450_000,
    ],
    [
      'not what nodes only save',
      {
        1: ['EmptyImage', { width: 512, height: 512, batch_size: 1, color: 0 }],
        2: ['SaveImage', { images: ['1', 0], filename_prefix: 'x' }],
      },
      image,
    ],
    ['a long text', shown('t', { t: ['CLIPTextEncode', { text: 'x'.repeat(5120), clip: ['m', 1] }] }), 10 * text],
    [
      'a text of rare letters',
      shown('t', { t: ['CLIPTextEncode', { text: '語'.repeat(512), clip: ['m', 1] }] }),
      3 * text,
    ],
    [
      'a long text that comes over a link',
      shown('t', {
        p: ['PrimitiveString', { value: 'x'.repeat(5120) }],
        t: ['CLIPTextEncode', { text: ['p', 0], clip: ['m', 1] }],
      }),
      10 * text,
    ],
    [
      'not what no output needs, because ComfyUI does not execute it',
      shown('1', {
        1: ['EmptyImage', { width: 512, height: 512, batch_size: 1, color: 0 }],
        2: ['EmptyImage', { width: 512, height: 512, batch_size: 50, color: 0 }],
      }),
      image,
    ],
  ])('counts %s', (_what, nodes, pixels) => {
    expect(demandOf(nodes).keptPixels).toBe(Math.round(pixels));
  });
});

describe('the numbers of a job', () => {
  const amount = (nodes: Nodes, of: string) =>
    Math.max(
      ...demandOf(nodes)
        .amounts.filter((one) => one.of === of)
        .map(({ value }) => value),
    );

  it.each<[string, Nodes, string, number]>([
    ['steps of a sampler', sampled({ latent: empty() }, { steps: 10_000 }), 'steps', 10_000],
    [
      'steps that are written as a text, which ComfyUI converts',
      sampled({ latent: empty() }, { steps: ' 1_0 ' }),
      'steps',
      10,
    ],
    [
      'steps of a primitive',
      sampled({ latent: empty(), p: ['PrimitiveInt', { value: 999 }] }, { steps: ['p', 0] }),
      'steps',
      999,
    ],
    ['steps of a scheduler', { a: ['BasicScheduler', { scheduler: 'simple', steps: 400, denoise: 1 }] }, 'steps', 400],
    ['steps that are written as sigmas', { a: ['ManualSigmas', { sigmas: '1., 0.75, 0.5, 0' }] }, 'steps', 3],
    ['steps that are written without spaces', { a: ['ManualSigmas', { sigmas: '.5.5.5.5' }] }, 'steps', 3],
    [
      'only the worked steps of a KSamplerAdvanced',
      { a: ['KSamplerAdvanced', { steps: 1500, start_at_step: 1350, end_at_step: 10_000 }] },
      'steps',
      150,
    ],
    [
      'all steps of a KSamplerAdvanced that a switch may make it work',
      {
        n: ['PrimitiveInt', { value: 1350 }],
        z: ['PrimitiveInt', { value: 0 }],
        w: ['ComfySwitchNode', { switch: false, on_false: ['z', 0], on_true: ['n', 0] }],
        a: ['KSamplerAdvanced', { steps: 1500, start_at_step: ['w', 0], end_at_step: 10_000 }],
      },
      'steps',
      1500,
    ],
    ['cfg of a sampler', sampled({ latent: empty() }, { cfg: 99 }), 'cfg', 99],
    ['cfg of a guider', { a: ['CFGGuider', { cfg: 50 }] }, 'cfg', 50],
    ['the width of an empty latent', sampled({ latent: empty({ width: 16_384 }) }), 'size', 16_384],
    ['the batch of an empty latent', sampled({ latent: empty({ batch_size: 4096 }) }), 'count', 4096],
    [
      'the batch of a repeated batch',
      sampled({ e: empty({ batch_size: 4 }), latent: ['RepeatLatentBatch', { samples: ['e', 0], amount: 64 }] }),
      'count',
      256,
    ],
    [
      'what a sampler gets after scaling',
      sampled({ e: empty(), latent: ['LatentUpscaleBy', { samples: ['e', 0], scale_by: 8 }] }),
      'size',
      4096,
    ],
    [
      'the picture that a sampler starts from',
      sampled({
        i: loadImage,
        x: ['ImageScale', { image: ['i', 0], width: 9000, height: 64 }],
        latent: ['VAEEncode', { pixels: ['x', 0], vae: ['m', 2] }],
      }),
      'size',
      9000,
    ],
  ])('are %s', (_what, nodes, of, value) => {
    expect(amount(nodes, of)).toBe(value);
  });

  it('do not count a picture that is only enlarged at the end as a size', () => {
    const nodes = sampled({ latent: empty(), x: ['ImageScale', { image: ['v', 0], width: 4096, height: 4096 }] });
    expect(amount(nodes, 'size')).toBe(512);
  });

  it('ignore inputs that the class does not have', () => {
    const small = { width: 8, height: 8, 'samples.width': 8, 'samples.height': 8, scale_ratio: 0, length: 1 };
    const nodes = sampled(
      { e: empty(), latent: ['LatentUpscaleBy', { ...small, samples: ['e', 0], scale_by: 8 }] },
      { steps: 10_000, start_at_step: 9990, end_at_step: 10_000 },
    );
    for (const known of [catalogue, undefined]) {
      const { amounts, pixels } = demandOf(nodes, known);
      expect(amounts).toContainEqual({
        of: 'steps',
        at: { node: 's', input: 'steps' },
        value: 10_000,
        isScaled: false,
      });
      expect(pixels).toBe((1 + 64) * 512 ** 2);
    }
  });

  it('count what a VAE of coarse models makes of latents that another VAE encoded', () => {
    const nodes = (vae: string): Nodes => ({
      p: ['EmptyImage', { width: 512, height: 512, batch_size: 1, color: 0 }],
      a: ['VAELoader', { vae_name: 'sd.safetensors' }],
      same: ['VAELoader', { vae_name: 'sd.safetensors' }],
      other: ['VAELoader', { vae_name: 'ltx.safetensors' }],
      l: ['VAEEncode', { pixels: ['p', 0], vae: ['a', 0] }],
      z: ['LatentMultiply', { samples: ['l', 0], multiplier: 0 }],
      d: ['VAEDecode', { samples: ['z', 0], vae: [vae, 0] }],
    });
    expect(demandOf(nodes('same')).pixels).toBe(512 ** 2);
    expect(demandOf(nodes('other')).pixels).toBe(512 ** 2 + 2 * 2048 ** 2);
  });

  it.each<[files: string, node: Nodes[string], pictures: number]>([
    ['ltxv.safetensors', ['EmptyLTXVLatentVideo', { width: 256, height: 256, length: 9, batch_size: 1 }], 9],
    ['ltxv.safetensors', ['EmptyHunyuanLatentVideo', { width: 256, height: 256, length: 9, batch_size: 1 }], 9 * 32],
    ['ltxv.safetensors', ['WanImageToVideo', { width: 256, height: 256, length: 9, vae: ['m', 2] }], 9 * 32],
    ['flux2-vae.safetensors', ['EmptyFlux2LatentImage', { width: 256, height: 256, batch_size: 1 }], 1],
    ['flux2-vae.safetensors', ['EmptySD3LatentImage', { width: 256, height: 256, batch_size: 1 }], 4],
    ['wan2.2_vae.safetensors', ['Wan22ImageToVideoLatent', { width: 256, height: 256, length: 9, vae: ['m', 2] }], 9],
    ['wan2.2_i2v_14B.safetensors', ['WanImageToVideo', { width: 256, height: 256, length: 9, vae: ['m', 2] }], 9],
  ])('with %s, expect what its VAE makes of %j', (ckpt_name, [className, inputs], pictures) => {
    const nodes = sampled({ latent: [className, inputs] });
    const [name, loader] = nodes.m ?? ['', {}];
    const { pixels } = demandOf({ ...nodes, m: [name, { ...loader, ckpt_name }] });
    const made = 'length' in inputs ? 9 : 1;
    expect(pixels).toBe((made + (pictures > made ? pictures : 0)) * 256 ** 2);
  });

  it('expect latents of eight pixels a unit from LatentUpscale, whatever the model', () => {
    const e = ['EmptyFlux2LatentImage', { width: 256, height: 256, batch_size: 1 }] as const;
    const latent = ['LatentUpscale', { samples: ['e', 0], width: 512, height: 512 }] as const;
    const m = ['CheckpointLoaderSimple', { ckpt_name: 'flux2.safetensors' }] as const;
    expect(demandOf({ ...sampled({ e, latent }), m }).pixels).toBe(256 ** 2 + 512 ** 2 + 1024 ** 2);
  });

  it('do not let a negative number compensate for others', () => {
    const nodes = sampled({ latent: empty({ batch_size: 4 }), x: empty({ width: -100_000, batch_size: 100 }) });
    expect(demandOf(nodes).pixels).toBeGreaterThanOrEqual(4 * 512 ** 2);
  });

  it('count the result of a formula, not the number that it calculates with', () => {
    const half = ['ComfyMathExpression', { expression: 'a / 10', 'values.a': 1000 }] as const;
    const nodes = sampled({ latent: empty(), c: half }, { steps: ['c', 1] });
    const steps = demandOf(nodes).amounts.filter(({ of }) => of === 'steps');
    expect(steps.map(({ value }) => value)).toEqual([100]);
  });

  it('exclude calculated numbers and steps of training', () => {
    const nodes = sampled(
      { latent: empty(), c: ['SimpleMath', { a: 3, b: 5, op: '*' }], t2: ['TrainLoraNode', { steps: 5000 }] },
      { steps: ['c', 0] },
    );
    expect(demandOf(nodes).amounts.filter(({ of }) => of === 'steps')).toEqual([]);
  });
});

it.each<[string, Nodes, number]>([
  [
    'ResizeImagesByShorterEdge',
    {
      e: ['EmptyImage', { width: 16, height: 4096, batch_size: 1 }],
      r: ['ResizeImagesByShorterEdge', { images: ['e', 0], shorter_edge: 8192 }],
    },
    1e10,
  ],
  [
    'ResizeImagesByLongerEdge',
    {
      e: ['EmptyImage', { width: 64, height: 64, batch_size: 4096 }],
      r: ['ResizeImagesByLongerEdge', { images: ['e', 0], longer_edge: 8192 }],
    },
    1e11,
  ],
  [
    'TripoSplatPreprocessImage',
    {
      e: ['EmptyImage', { width: 1, height: 1, batch_size: 4096 }],
      m: ['SolidMask', { value: 1, width: 1, height: 1 }],
      t: ['TripoSplatPreprocessImage', { image: ['e', 0], mask: ['m', 0], size: 1024, erode_radius: 1 }],
    },
    4e9,
  ],
  [
    'ImageGrid',
    {
      e: ['EmptyImage', { width: 64, height: 64, batch_size: 4096 }],
      g: ['ImageGrid', { images: ['e', 0], columns: 20, cell_width: 2048, cell_height: 2048, padding: 0 }],
    },
    1e10,
  ],
  [
    'ImageStitch',
    {
      a: ['EmptyImage', { width: 1, height: 4096, batch_size: 1 }],
      b: ['EmptyImage', { width: 4096, height: 1, batch_size: 1 }],
      s: ['ImageStitch', { image1: ['a', 0], image2: ['b', 0], direction: 'right', match_image_size: true }],
    },
    1e10,
  ],
  [
    'LTXVImgToVideo',
    {
      e: ['EmptyImage', { width: 1, height: 1, batch_size: 4096 }],
      v: ['LTXVImgToVideo', { image: ['e', 0], width: 4096, height: 4096, length: 9, batch_size: 1 }],
    },
    4096 ** 3 - 1,
  ],
  [
    'LTXVAddGuide',
    {
      e: ['EmptyImage', { width: 256, height: 256, batch_size: 97 }],
      l: ['EmptyLTXVLatentVideo', { width: 256, height: 256, length: 97, batch_size: 1 }],
      a: ['LTXVAddGuide', { latent: ['l', 0], image: ['e', 0], vae: ['v', 0], frame_idx: 0, strength: 1 }],
      b: ['LTXVAddGuide', { latent: ['a', 2], image: ['e', 0], vae: ['v', 0], frame_idx: 0, strength: 1 }],
    },
    (1 + 1 + 2 + 3) * 97 * 256 ** 2 - 1,
  ],
  [
    'EmptyQwenImageLayeredLatentImage',
    { l: ['EmptyQwenImageLayeredLatentImage', { width: 512, height: 512, layers: 64, batch_size: 1 }] },
    4 * 64 * 512 ** 2,
  ],
  [
    'ImageStitch of a batch that a VAE made',
    {
      l: ['EmptyLatentImage', { width: 64, height: 64, batch_size: 64 }],
      d: ['VAEDecode', { samples: ['l', 0], vae: ['v', 0] }],
      e: ['EmptyImage', { width: 2048, height: 2048, batch_size: 1 }],
      s: ['ImageStitch', { image1: ['e', 0], image2: ['d', 0], direction: 'right', match_image_size: true }],
    },
    64 * 4096 * 2048,
  ],
  ...(['ImageScaleBy', 'LatentUpscaleBy'] as const).map((className): [string, Nodes, number] => {
    const input = className === 'ImageScaleBy' ? 'image' : 'samples';
    const made = className === 'ImageScaleBy' ? 'EmptyImage' : 'EmptyLatentImage';
    const by = (from: string, scale_by: number) => [className, { [input]: [from, 0], scale_by }] as const;
    // Both stay at two pixels, or two units of eight pixels.
    const smaller = Array.from({ length: 20 }, (_, n) => [`${n + 1}`, by(`${n}`, 0.75)] as const);
    const first = [made, { width: 16, height: 16, batch_size: 1 }] as const;
    const nodes = { 0: first, ...Object.fromEntries(smaller), a: by('20', 8), b: by('a', 8), c: by('b', 8) };
    return [`${className} by less than a unit`, nodes, (2 * 8 ** 3) ** 2];
  }),
  [
    'ImageScale to less than a pixel',
    {
      e: ['EmptyImage', { width: 4096, height: 1, batch_size: 1 }],
      s: ['ImageScale', { image: ['e', 0], width: 64, height: 0 }],
      b: ['ImageScaleBy', { image: ['s', 0], scale_by: 8 }],
    },
    4096 + 64 + 64 * 64 - 1,
  ],
  [
    'ImageScaleToTotalPixels in large steps',
    {
      e: ['EmptyImage', { width: 1000, height: 1, batch_size: 1 }],
      s: ['ImageScaleToTotalPixels', { image: ['e', 0], megapixels: 15.7, resolution_steps: 256 }],
    },
    1000 + 128_256 * 256 - 1,
  ],
  [
    'VAEDecode of the latent of a sound',
    {
      l: ['EmptyAceStepLatentAudio', { seconds: 100, batch_size: 1 }],
      u: ['LatentUpscaleBy', { samples: ['l', 0], scale_by: 4 }],
      d: ['VAEDecode', { samples: ['u', 0], vae: ['v', 0] }],
      s: ['ImageScaleBy', { image: ['d', 0], scale_by: 8 }],
    },
    128 * 86 * 100 * (4 * 8) ** 2,
  ],
  [
    'LatentCrop beyond the edge, which leaves 64 pixels',
    {
      l: ['EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }],
      c: ['LatentCrop', { samples: ['l', 0], width: 512, height: 512, x: 4096, y: 4096 }],
      u: ['LatentUpscaleBy', { samples: ['c', 0], scale_by: 8 }],
    },
    512 ** 2 + 512 ** 2 - 1,
  ],
  [
    'LatentUpscale to less than 64 pixels',
    {
      l: ['EmptyLatentImage', { width: 512, height: 512, batch_size: 1 }],
      c: ['LatentUpscale', { samples: ['l', 0], width: 8, height: 8 }],
      u: ['LatentUpscaleBy', { samples: ['c', 0], scale_by: 8 }],
    },
    512 ** 2 + 64 ** 2 + 512 ** 2 - 1,
  ],
  [
    'ImageStitch with a spacing',
    {
      e: ['EmptyImage', { width: 1, height: 16_384, batch_size: 1 }],
      s: ['ImageStitch', { image1: ['e', 0], image2: ['e', 0], direction: 'right', spacing_width: 1024 }],
    },
    1024 * 16_384,
  ],
  [
    'ImageGrid with a padding',
    {
      e: ['EmptyImage', { width: 1, height: 1, batch_size: 4000 }],
      g: ['ImageGrid', { images: ['e', 0], columns: 20, cell_width: 32, cell_height: 32, padding: 50 }],
    },
    4000 * 80 ** 2,
  ],
  [
    'ImageCropToMask',
    {
      e: ['EmptyImage', { width: 8, height: 8, batch_size: 4096 }],
      m: ['SolidMask', { value: 1, width: 8, height: 8 }],
      c: ['ImageCropToMask', { images: ['e', 0], masks: ['m', 0], width: 4096, height: 4096 }],
    },
    4096 ** 3,
  ],
  [
    'WanSoundImageToVideoExtend',
    {
      e: ['EmptyHunyuanLatentVideo', { width: 512, height: 512, length: 1, batch_size: 1 }],
      w: ['WanSoundImageToVideoExtend', { video_latent: ['e', 0], length: 16_000 }],
    },
    16_000 * 512 ** 2,
  ],
  ['BakeNormalMapFromMesh', { b: ['BakeNormalMapFromMesh', { resolution: 8192 }] }, 8192 ** 2 - 1],
  ['BakeTextureFromVoxel', { b: ['BakeTextureFromVoxel', { texture_size: 8192 }] }, 8192 ** 2 - 1],
])('counts the pixels that %s makes of small pictures', (_class, nodes, least) => {
  expect(demandOf(nodes).pixels).toBeGreaterThan(least);
});

describe('the pixels of a job', () => {
  const base = 512 * 512;
  const wan = { width: 1280, height: 720, length: 121, batch_size: 1 };
  const cases: [string, Nodes, number][] = [
    ['an empty latent', sampled({ latent: empty() }), base],
    ['an empty latent with a batch', sampled({ latent: empty({ batch_size: 4 }) }), 4 * base],
    ['frames of a video', sampled({ latent: ['EmptyHunyuanLatentVideo', wan] }), 121 * 1280 * 720],
    [
      'frames of a video from a picture',
      sampled({ i: loadImage, latent: ['WanImageToVideo', { start_image: ['i', 0], ...wan }] }),
      121 * 1280 * 720,
    ],
    ['an empty image', { a: ['EmptyImage', { width: 100, height: 100, batch_size: 81, color: 0 }] }, 810_000],
    [
      'an upscaled latent',
      sampled({ e: empty(), latent: ['LatentUpscale', { samples: ['e', 0], width: 1024, height: 1024 }] }),
      5 * base,
    ],
    [
      'an upscaled latent whose height follows',
      sampled({ e: empty(), latent: ['LatentUpscale', { samples: ['e', 0], width: 1024, height: 0 }] }),
      5 * base,
    ],
    [
      'an upscaled batch',
      sampled({ latent: empty({ batch_size: 2 }), x: ['ImageScaleBy', { image: ['v', 0], scale_by: 3 }] }),
      2 * base + 18 * base,
    ],
    [
      'what an upscale model makes, by its name',
      sampled({
        latent: empty(),
        u: ['UpscaleModelLoader', { model_name: 'RealESRGAN_x2plus.pth' }],
        x: ['ImageUpscaleWithModel', { upscale_model: ['u', 0], image: ['v', 0] }],
      }),
      5 * base,
    ],
    [
      'what an upscale model makes, four times each side when its name does not say',
      sampled({
        latent: empty(),
        u: ['UpscaleModelLoader', { model_name: 'UltraSharp.pth' }],
        x: ['ImageUpscaleWithModel', { upscale_model: ['u', 0], image: ['v', 0] }],
      }),
      17 * base,
    ],
    [
      'repeated images',
      sampled({ latent: empty(), x: ['RepeatImageBatch', { image: ['v', 0], amount: 64 }] }),
      65 * base,
    ],
    [
      'images that are joined',
      sampled({ latent: empty(), x: ['ImageBatch', { image1: ['v', 0], image2: ['v', 0] }] }),
      3 * base,
    ],
    [
      'repeats of repeats',
      {
        e: empty(),
        a: ['RepeatLatentBatch', { samples: ['e', 0], amount: 64 }],
        b: ['RepeatLatentBatch', { samples: ['a', 0], amount: 64 }],
      },
      (1 + 64 + 4096) * base,
    ],
    [
      'a size in megapixels',
      { i: loadImage, x: ['ImageScaleToTotalPixels', { image: ['i', 0], megapixels: 4 }] },
      4 * 1024 ** 2,
    ],
    [
      'a padded image',
      {
        e: ['EmptyImage', { width: 100, height: 100, batch_size: 1 }],
        x: ['ImagePadForOutpaint', { image: ['e', 0], left: 100, right: 0, top: 0, bottom: 100 }],
      },
      50_000,
    ],
    [
      'no more for a mask, a crop or texts of that size',
      {
        e: ['EmptyImage', { width: 100, height: 100, batch_size: 1 }],
        x: ['ImageCrop', { image: ['e', 0], width: 4096, height: 4096, x: 0, y: 0 }],
        t: ['CLIPTextEncodeSDXL', { width: 4096, height: 4096, target_width: 4096, target_height: 4096 }],
      },
      10_000,
    ],
  ];

  it.each(cases)('are those of %s', (_what, nodes, pixels) => {
    expect(demandOf(nodes).pixels).toBeCloseTo(pixels, 3);
  });

  it.each(cases)('are the same without a catalogue: %s', (_what, nodes, pixels) => {
    expect(demandOf(nodes, undefined).pixels).toBeCloseTo(pixels, 3);
  });

  it('are calculated for a cyclic graph and for a chain of ten thousand nodes', () => {
    const circle: Nodes = {
      a: ['LatentUpscaleBy', { samples: ['b', 0], scale_by: ['b', 0] }],
      b: ['LatentUpscaleBy', { samples: ['a', 0], scale_by: ['a', 0] }],
    };
    expect(demandOf(circle).pixels).toBe(0);
    const chain = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, n) => [
        `n${n}`,
        n === 0 ? empty() : ['VAEDecode', { samples: [`n${n - 1}`, 0] }],
      ]),
    ) as Nodes;
    expect(demandOf(chain).pixels).toBe(base);
  });

  const scaled = ['ImageScaleBy', { image: ['i', 0], scale_by: 2 }] as const;
  const video = ['LoadVideo', { file: 'a.mp4' }] as const;
  const decoded = ['GetVideoComponents', { video: ['i', 0] }] as const;
  const saved = ['SaveVideo', { video: ['i', 0], filename_prefix: 'x', format: 'auto', codec: 'auto' }] as const;
  const choice = ['ComfySwitchNode', { on_false: ['i', 0], on_true: ['i', 0] }] as const;
  const sound = { seconds: 10, rate: 300, channels: 2 };
  const unmeasured = { width: 1, height: 1, frames: Number.POSITIVE_INFINITY };
  const silent = { picture: { width: 300, height: 200, frames: 5 } };
  const pixelsWith = (media: LoadedMedia, nodes: Nodes) => {
    const loaded = ({ node }: Slot) => (node.startsWith('i') ? media : undefined);
    return gpuDemand(graphOf(nodes), { slots: NO_SLOTS, catalogue, loaded });
  };

  it.each<[string, Nodes, number]>([
    ['of a picture that is scaled', { i: loadImage, x: scaled }, 5 * (300 * 200 + 600 * 400)],
    ['once for each node that loads them', { i: loadImage, i2: loadImage }, 2 * 5 * 300 * 200],
    ['of a video that a node decodes, and its sound', { i: video, x: decoded }, 5 * 300 * 200 + 2000],
    ['of a video of which a node takes a sample', { i: video, x: ['VideoFrameSample', { video: ['i', 0] }] }, 300_000],
    ['of no video that is only saved', { i: video, x: saved }, 0],
    ['of a video that is cut', { i: video, x: ['Video Slice', { video: ['i', 0], start_time: 1 }] }, 5 * 300 * 200],
    ['of a video that is converted', { i: video, x: [saved[0], { ...saved[1], codec: 'h264' }] }, 5 * 300 * 200],
    ['of the sound alone, where a node loads only that', { i: ['LoadAudio', { audio: 'a.mp4' }] }, 2000],
  ])('are those of all frames of a file: %s', (_what, nodes, pixels) => {
    expect(pixelsWith({ picture: { width: 300, height: 200, frames: 5 }, sound }, nodes).pixels).toBe(pixels);
  });

  it('are the maximum for a file that only some ComfyUIs rotate', () => {
    const nodes: Nodes = { i: loadImage, x: ['ImageScale', { image: ['i', 0], width: 0, height: 512 }] };
    const made = (longest: object) =>
      pixelsWith({ picture: { width: 16, height: 1600, frames: 1, ...longest } }, nodes).pixels;
    expect(made({})).toBeLessThan(100_000);
    expect(made({ longest: 1600 })).toBeGreaterThanOrEqual(512 * 512 * 100);
  });

  it.each<[string, Nodes]>([
    ['a video', { i: video, x: saved }],
    ['one of two videos', { i: video, c: choice, x: [saved[0], { ...saved[1], video: ['c', 0] }] }],
    ['a 3D model', { i: ['Load3DAdvanced', {}], x: ['Save3DAdvanced', { model_3d: ['i', 0] }] }],
  ])('do not count when %s is saved unchanged, but its bytes do when it is saved again', (_what, nodes) => {
    const told = (more: Nodes) => {
      const graph = graphOf({ ...nodes, ...more });
      const demand = gpuDemand(graph, { slots: NO_SLOTS, catalogue, fileBytes: 300_000_000 });
      return faultsBeyond(demand, LIMITS).map(({ detail }) => detail);
    };
    expect(told({})).toEqual([]);
    expect(told({ y: nodes.x as Nodes[string] })).toEqual([
      expect.stringMatching(/^ComfyUI would write 3000\d+ bytes/),
    ]);
  });

  it('count no sound of a file that has none', () => {
    expect(pixelsWith(silent, { i: video, x: decoded }).pixels).toBe(5 * 300 * 200);
  });

  it('of a file that cannot be measured are too many, also if a video is only saved', () => {
    const refused = (nodes: Nodes) =>
      faultsBeyond(pixelsWith({ picture: unmeasured }, nodes), LIMITS).map(({ detail }) => detail)[0];
    expect(refused({ i: loadImage })).toContain('reads a file that cannot be measured: PNG, JPEG');
    for (const x of [decoded, saved])
      expect(refused({ i: video, x })).toContain('reads a file that cannot be measured');
  });
});

describe('what the nodes of a job join', () => {
  const chain = ([className, one, two]: readonly string[], length: number, other?: string): Nodes =>
    Object.fromEntries(
      Array.from({ length }, (_, n) => {
        const before = `n${n - 1}`;
        return [`n${n}`, [`${className}`, { [`${one}`]: [before, 0], [`${two}`]: [other ?? before, 0] }]];
      }),
    );
  const refused = (nodes: Nodes) =>
    faultsBeyond(demandOf(nodes, undefined), LIMITS).map(({ node, detail }) => [node, detail]);

  it.each([
    ['ConditioningConcat', 'conditioning_to', 'conditioning_from'],
    ['ConditioningCombine', 'conditioning_1', 'conditioning_2'],
    ['CombineHooks2', 'hooks_A', 'hooks_B'],
    ['WanMoveConcatTrack', 'tracks_1', 'tracks_2'],
    ['ModelMergeAdd', 'model1', 'model2'],
  ])('may not double at each %s of a chain', (...joiner) => {
    expect(refused(chain(joiner, 9))).toEqual([]);
    expect(refused(chain(joiner, 20))).toContainEqual([
      'n19',
      expect.stringContaining('the nodes of the job would join'),
    ]);
  });

  it('may grow by one part at each of sixty nodes', () => {
    expect(refused(chain(['ConditioningCombine', 'conditioning_1', 'conditioning_2'], 60, 'x'))).toEqual([]);
  });
});

describe('the sounds of a job', () => {
  const silence = (duration: unknown) =>
    ['EmptyAudio', { duration, sample_rate: 48_000, channels: 2 }] as const satisfies Nodes[string];
  const louder = (source: string) => ['AudioAdjustVolume', { audio: [source, 0], volume: 1 }] as const;
  const joined = (one: string, other: string) =>
    ['AudioConcat', { audio1: [one, 0], audio2: [other, 0], direction: 'after' }] as const;
  const pixels = (seconds: number) => (seconds * 48_000 * 2) / 3;
  const latent = ['EmptyLatentAudio', { seconds: 100, batch_size: 8 }] as const;

  it.each<[string, Nodes, number]>([
    ['in the node that makes it', { a: silence(60) }, pixels(60)],
    ['of a length that comes over a link', { a: silence(['p', 0]), p: ['PrimitiveFloat', { value: 60 }] }, pixels(60)],
    ['in each node that changes it', { a: silence(60), b: louder('a'), c: louder('b') }, 3 * pixels(60)],
    ['in a node that joins two', { a: silence(60), b: joined('a', 'a') }, 3 * pixels(60)],
    [
      'at the higher rate and in two channels, where two are joined',
      { a: silence(10), b: ['EmptyAudio', { duration: 90, sample_rate: 25, channels: 1 }], c: joined('a', 'b') },
      pixels(10) + (90 * 25) / 3 + pixels(100),
    ],
    [
      'of a latent, in the node that decodes it',
      { l: latent, d: ['VAEDecodeAudio', { samples: ['l', 0] }] },
      pixels(800) / 64 + pixels(800),
    ],
    [
      'of a latent, a 64th in each node that changes it',
      { l: latent, m: ['LatentMultiply', { samples: ['l', 0], multiplier: 2 }] },
      (2 * pixels(800)) / 64,
    ],
    [
      'of latents that are joined or repeated, all together',
      {
        l: latent,
        b: ['LatentBatch', { samples1: ['l', 0], samples2: ['l', 0] }],
        r: ['RepeatLatentBatch', { samples: ['b', 0], amount: 4 }],
      },
      (pixels(800) * (1 + 2 + 8)) / 64,
    ],
    ['of a length that is not known', { d: ['VAEDecodeAudio', { samples: ['x', 0] }] }, pixels(600)],
    [
      'for each item of a list',
      { a: silence(60), l: ['CreateList', { 'inputs.input0': ['a', 0], 'inputs.input1': ['a', 0] }], b: louder('l') },
      pixels(60) + 2 * pixels(60),
    ],
    [
      'of a latent that is repeated and joined, in the node that decodes it',
      {
        l: ['EmptyLatentAudio', { seconds: 10, batch_size: 1 }],
        r: ['RepeatLatentBatch', { samples: ['l', 0], amount: 64 }],
        b: ['LatentBatch', { samples1: ['r', 0], samples2: ['r', 0] }],
        d: ['VAEDecodeAudio', { samples: ['b', 0] }],
      },
      pixels(1280) + pixels(10 + 640 + 1280) / 64,
    ],
    [
      'at the rate of a codec or a model that it is converted for',
      {
        a: ['EmptyAudio', { duration: 100, sample_rate: 1, channels: 2 }],
        s: ['SaveAudioOpus', { audio: ['a', 0] }],
        e: ['VAEEncodeAudio', { audio: ['a', 0] }],
      },
      200 / 3 + 2 * pixels(100),
    ],
    [
      'up to where it is cut',
      { a: silence(60), t: ['TrimAudioDuration', { audio: ['a', 0], start_index: 0, duration: 5 }] },
      pixels(65),
    ],
  ])('count as pixels %s', (_what, nodes, expected) => {
    expect(demandOf(nodes).pixels).toBeCloseTo(expected);
  });

  it('are refused when all nodes together keep too much of them, and accepted for an album', () => {
    const chain = (seconds: number, times: number): Nodes =>
      Object.fromEntries(
        Array.from({ length: times }, (_, n) => [`n${n}`, n === 0 ? silence(seconds) : louder(`n${n - 1}`)]),
      );
    const refused = (nodes: Nodes) => faultsBeyond(demandOf(nodes), LIMITS).map(({ detail }) => detail);
    expect(refused(chain(3600, 5))).toEqual([]);
    expect(refused(chain(3600, 9))).toEqual([expect.stringContaining('three samples of a sound count as one')]);
  });
});

describe('the pictures that a job saves', () => {
  const many = ['EmptyImage', { width: 1, height: 1, batch_size: 600, color: 0 }] as const;
  const save = ['SaveImage', { images: ['i', 0], filename_prefix: 'x' }] as const;

  it('are at most as many as are kept, because ComfyUI writes all of them', () => {
    const told = (nodes: Nodes) => faultsBeyond(demandOf(nodes), LIMITS).map(({ detail }) => detail);
    expect(told({ i: many, a: save })).toEqual([]);
    expect(told({ i: many, a: save, b: ['PreviewImage', { images: ['i', 0] }] })).toEqual([
      'the job would leave 1200 files and texts, and 1000 are the most',
    ]);
    expect(told({ i: many, a: save, b: ['SaveAnimatedWEBP', { images: ['i', 0], filename_prefix: 'x' }] })).toEqual([]);
  });

  it.each<[string, Nodes, string, boolean]>([
    ['a workflow of the usual size', { i: many, a: save }, 'w'.repeat(400_000), true],
    ['a large workflow', { i: many, a: save }, 'w'.repeat(500_000), false],
    ['a large graph', { i: many, a: save, t: ['Note', { text: 'w'.repeat(500_000) }] }, '', false],
    ['a text that ComfyUI escapes', { i: many, a: save }, 'ü'.repeat(80_000), false],
    [
      'a large workflow in files of another kind',
      Object.fromEntries(Array.from({ length: 300 }, (_, n) => [n, ['SaveLatent', { samples: ['i', 0] }]])),
      'w'.repeat(1_000_000),
      false,
    ],
  ])('may have the graph and its workflow in each, up to 256 MiB in all: %s', (_what, nodes, beside, isTaken) => {
    const [fault] = faultsBeyond(demandOf(nodes, catalogue, beside), LIMITS);
    const detail =
      /^ComfyUI would write \d+ bytes of the graph, its workflow and unchanged files into \d+ files, and 268435456 are the most$/;
    expect(fault?.detail).toEqual(isTaken ? undefined : expect.stringMatching(detail));
  });
});

describe('the work of a job', () => {
  const image = (more: Record<string, unknown> = {}) =>
    ['EmptyImage', { width: 1024, height: 1024, batch_size: 1, color: 0, ...more }] as const;
  const invert = (source: string) => ['ImageInvert', { image: [source, 0] }] as const;
  const refused = (nodes: Nodes) => faultsBeyond(demandOf(nodes), LIMITS).map(({ detail }) => detail);
  /** Nodes that each list the one before them twice. */
  const doubled = (times: number, source: string) =>
    Object.fromEntries(
      Array.from({ length: times }, (_, n) => {
        const from = n === 0 ? source : `d${n - 1}`;
        return [`d${n}`, ['CreateList', { 'inputs.input0': [from, 0], 'inputs.input1': [from, 0] }] as const];
      }),
    );

  it.each<[string, Nodes, number]>([
    ['each node that passes pictures on', { e: image(), a: invert('e'), b: invert('a') }, 3 * 1024 ** 2],
    ['a small picture, which takes time too', { e: image({ width: 1, height: 1, batch_size: 100 }) }, 100 * 128 ** 2],
    [
      'a node for each item of a list',
      { e: image(), ...doubled(3, 'e'), a: invert('d2') },
      (1 + 2 + 4 + 8 + 8) * 1024 ** 2,
    ],
    [
      'the loop over pixels of ImagePadForOutpaint',
      {
        e: image(),
        p: ['ImagePadForOutpaint', { image: ['e', 0], left: 0, top: 0, right: 0, bottom: 0, feathering: 40 }],
      },
      401 * 1024 ** 2,
    ],
    [
      'each pixel by which GrowMask grows a mask',
      { m: ['SolidMask', { width: 1024, height: 1024, value: 1 }], g: ['GrowMask', { mask: ['m', 0], expand: -100 }] },
      401 * 1024 ** 2,
    ],
    [
      'the square of the kernel of Morphology',
      { e: image(), m: ['Morphology', { image: ['e', 0], operation: 'dilate', kernel_size: 10 }] },
      801 * 1024 ** 2,
    ],
    [
      'every tile of a picture',
      {
        e: image(),
        t: ['SplitImageToTileList', { image: ['e', 0], tile_width: 256, tile_height: 256, overlap: 4096 }],
        a: invert('t'),
      },
      1024 ** 2 + 2 * 16 ** 2 * 256 ** 2,
    ],
    [
      'every tile of the smaller size that a switch may choose',
      {
        e: image(),
        n: ['PrimitiveInt', { value: 1024 }],
        z: ['PrimitiveInt', { value: 256 }],
        w: ['ComfySwitchNode', { switch: false, on_false: ['z', 0], on_true: ['n', 0] }],
        t: ['SplitImageToTileList', { image: ['e', 0], tile_width: ['w', 0], tile_height: ['w', 0], overlap: 0 }],
        a: invert('t'),
      },
      1024 ** 2 + 2 * 4 ** 2 * 1024 ** 2 + 2048 ** 2,
    ],
    [
      'the steps that ComfyUI plans before it omits the first of them',
      { s: ['BasicScheduler', { scheduler: 'simple', steps: 20, denoise: 0.00000002 }] },
      1_000_000_000_000,
    ],
    [
      'each step of growing a mask for inpainting',
      {
        e: ['EmptyImage', { width: 1024, height: 1024, batch_size: 1, color: 0 }],
        v: ['VAEEncodeForInpaint', { pixels: ['e', 0], mask: ['e', 0], vae: ['m', 0], grow_mask_by: 64 }],
      },
      1024 ** 2 * (1 + 64 ** 2),
    ],
  ])('includes %s', (_what, nodes, work) => {
    expect(demandOf(nodes).work).toBe(work);
  });

  it('may not be more than eight times the pixels that a job may make', () => {
    const large = image({ width: 16_384, height: 16_384 });
    const chain = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [`i${n}`, invert(n === 0 ? 'e' : `i${n - 1}`)]),
    );
    expect(refused({ e: large, ...chain })).toEqual([
      expect.stringContaining('the nodes of the job would handle 1637'),
    ]);
    expect(refused({ e: image(), ...chain })).toEqual([]);
  });

  it.each<[string, Nodes[string]]>([
    ['EmptyLatentAudio', ['EmptyLatentAudio', { seconds: 1000, batch_size: 64 }]],
    ['EmptyAceStepLatentAudio', ['EmptyAceStepLatentAudio', { seconds: 1000, batch_size: 64 }]],
    ['EmptyAceStep1.5LatentAudio', ['EmptyAceStep1.5LatentAudio', { seconds: 1000, batch_size: 64 }]],
    ['EmptyMiniMaxMusic3LatentAudio', ['EmptyMiniMaxMusic3LatentAudio', { seconds: 360, batch_size: 64 }]],
    ['LTXVEmptyLatentAudio', ['LTXVEmptyLatentAudio', { frames_number: 1000, frame_rate: 1, batch_size: 64 }]],
    ['EmptyTrellis2LatentStructure', ['EmptyTrellis2LatentStructure', { batch_size: 4096 }]],
    ['VAEEncodeAudio', ['VAEEncodeAudio', { audio: ['sound', 0] }]],
  ])('counts a latent without width and height in each node: %s', (_class, latent) => {
    const sound = ['EmptyAudio', { duration: 14_400, sample_rate: 1, channels: 2 }] as const;
    const chain = Array.from({ length: 80 }, (_, n) => [
      `m${n}`,
      ['LatentMultiply', { samples: [n === 0 ? 'l' : `m${n - 1}`, 0], multiplier: 1 }],
    ]);
    expect(refused({ sound, l: latent, ...(Object.fromEntries(chain) as Nodes) })).toContainEqual(
      expect.stringContaining('the nodes of the job would handle'),
    );
  });

  it('admits four songs of four minutes in twenty nodes', () => {
    const latent = ['EmptyAceStepLatentAudio', { seconds: 240, batch_size: 4 }] as const;
    const chain = Array.from({ length: 20 }, (_, n) => [
      `m${n}`,
      ['LatentMultiply', { samples: [n === 0 ? 'l' : `m${n - 1}`, 0], multiplier: 1 }],
    ]);
    const nodes = { l: latent, ...Object.fromEntries(chain), d: ['VAEDecodeAudio', { samples: ['m19', 0] }] } as Nodes;
    expect(refused(nodes)).toEqual([]);
  });

  it('counts the pictures that a node scales to the size of a latent', () => {
    const nodes: Nodes = {
      l: empty({ width: 4096, height: 4096 }),
      e: image({ width: 1, height: 1, batch_size: 4096 }),
      g: ['LTXVAddGuide', { latent: ['l', 0], image: ['e', 0], frame_idx: 0, strength: 1 }],
    };
    expect(demandOf(nodes).work).toBeGreaterThan(4096 ** 3);
  });

  it('counts a rendered geometry as the picture from which it comes', () => {
    const nodes: Nodes = {
      e: image({ width: 8192, height: 8192 }),
      g: ['MoGeInference', { image: ['e', 0] }],
      r: ['MoGeRender', { moge_geometry: ['g', 0] }],
      i: invert('r'),
    };
    expect(demandOf(nodes).work).toBe(4 * 8192 ** 2);
  });

  const text = ['CLIPTextEncode', { text: 'a fox', clip: ['m', 1] }] as const;

  it.each([
    ['ConditioningConcat', 'conditioning_to', 'conditioning_from'],
    ['ConditioningCombine', 'conditioning_1', 'conditioning_2'],
  ])('counts the conditioning that %s doubles in each of twenty nodes', (name, one, other) => {
    const chain = Array.from({ length: 20 }, (_, n) => {
      const from = [n === 0 ? 't' : `c${n - 1}`, 0];
      return [`c${n}`, [name, { [one]: from, [other]: from }]];
    });
    expect(refused({ t: text, ...(Object.fromEntries(chain) as Nodes) })).toContainEqual(
      expect.stringContaining('the nodes of the job would handle'),
    );
  });

  it('counts a conditioning once in each node that passes it on, and by the length of its text', () => {
    const chain = Array.from({ length: 30 }, (_, n) => {
      const [positive, negative] = n === 0 ? ['t', 't'] : [`c${n - 1}`, `c${n - 1}`];
      return [`c${n}`, ['ConditioningStableAudio', { positive: [positive, 0], negative: [negative, 1] }]];
    });
    const nodes = { t: text, ...Object.fromEntries(chain) } as Nodes;
    expect(demandOf(nodes).work).toBeCloseTo((31 * 512 * 4096) / 3);
    const long: Nodes = { t: ['CLIPTextEncode', { text: 'x'.repeat(5120), clip: ['m', 1] }] };
    expect(demandOf(long).work).toBeCloseTo((10 * 512 * 4096) / 3);
  });

  it.each<[string, Nodes]>([
    ['one picture', { e: image(), ...doubled(13, 'e') }],
    ['a number', { e: ['PrimitiveInt', { value: 1 }], ...doubled(13, 'e') }],
    [
      'pictures of a batch',
      {
        e: image({ width: 8, height: 8, batch_size: 4097 }),
        r: ['RebatchImages', { images: ['e', 0], batch_size: 1 }],
      },
    ],
  ])('may not come from a list that repeats %s more than 4,096 times', (_what, nodes) => {
    expect(refused(nodes)).toContainEqual(
      expect.stringMatching(/^would make a list of \d+ items, and 4096 are the most/),
    );
  });

  it('counts the pixels that a node makes for each item of a list', () => {
    const nodes: Nodes = { n: ['PrimitiveInt', { value: 64 }], ...doubled(5, 'n'), e: image({ color: ['d4', 0] }) };
    expect(demandOf(nodes).pixels).toBe(32 * 1024 ** 2);
  });
});

describe('pictures of another shape', () => {
  const STRIP = 16_384;
  const picture = (width: number, height: number) =>
    ['EmptyImage', { width, height, batch_size: 1, color: 0 }] as const;
  const crop = (width: unknown, height: unknown) =>
    ['ImageCrop', { image: ['e', 0], width, height, x: 0, y: 0 }] as const;
  /** Pixels that the nodes add to those of `e`. */
  const pixelsAfter = (nodes: Nodes) => demandOf(nodes).pixels - demandOf({ e: nodes.e ?? picture(1, 1) }).pixels;

  it.each<[string, Nodes, number]>([
    [
      'a crop that is scaled to a longest side',
      {
        e: picture(STRIP, 16),
        c: crop(16, 16),
        s: ['ImageScaleToMaxDimension', { image: ['c', 0], largest_size: 4096, upscale_method: 'area' }],
      },
      4096 ** 2,
    ],
    [
      'a crop whose width follows its height',
      {
        e: picture(16, STRIP),
        c: crop(16, 16),
        s: ['ImageScale', { image: ['c', 0], width: 0, height: 4096, crop: 'disabled', upscale_method: 'area' }],
      },
      4096 ** 2,
    ],
    [
      'a crop to a strip that is scaled to a shorter side',
      {
        e: picture(2048, 2048),
        c: crop(2048, 2),
        s: ['ResizeImagesByShorterEdge', { images: ['c', 0], shorter_edge: 1024 }],
      },
      1024 * 1024 ** 2,
    ],
    [
      'a turned picture whose width follows its height',
      {
        e: picture(16, STRIP),
        r: ['ImageRotate', { image: ['e', 0], rotation: '90 degrees' }],
        s: ['ImageScale', { image: ['r', 0], width: 0, height: 1024, crop: 'disabled', upscale_method: 'area' }],
      },
      1024 * 1024 ** 2,
    ],
    [
      'one of two pictures, scaled to a shorter side',
      {
        e: picture(STRIP, STRIP),
        f: picture(STRIP, 16),
        o: ['ComfySwitchNode', { switch: true, on_true: ['f', 0], on_false: ['e', 0] }],
        s: ['ResizeImagesByShorterEdge', { images: ['o', 0], shorter_edge: 1024 }],
      },
      1024 * 1024 ** 2,
    ],
    [
      'a crop by linked numbers, scaled to an area and then to a shorter side',
      {
        e: picture(STRIP, 16),
        g: ['GetImageSize', { image: ['e', 0] }],
        c: crop(['g', 0], ['g', 1]),
        a: ['ImageScaleToTotalPixels', { image: ['c', 0], megapixels: 1, upscale_method: 'area', resolution_steps: 1 }],
        s: ['ResizeImagesByShorterEdge', { images: ['a', 0], shorter_edge: 1024 }],
      },
      1024 * 1024 * 1024,
    ],
    [
      'a picture for Flux Kontext, of about a megapixel however small it was',
      { e: picture(1, 1), s: ['FluxKontextImageScale', { image: ['e', 0] }] },
      1024 ** 2,
    ],
    [
      'a strip that is scaled to a width alone',
      {
        e: picture(2, 4096),
        s: ['ResizeImageMaskNode', { input: ['e', 0], resize_type: 'scale width', 'resize_type.width': 512 }],
      },
      512 * 1024 ** 2,
    ],
    [
      'a picture that is scaled by a factor, whatever another way to scale it would say',
      {
        e: picture(512, 512),
        s: [
          'ResizeImageMaskNode',
          {
            ...{ input: ['e', 0], resize_type: 'scale by multiplier', 'resize_type.multiplier': 8 },
            ...{ 'resize_type.width': 16, 'resize_type.height': 16 },
          },
        ],
      },
      4096 ** 2,
    ],
    [
      'a picture of a list that is scaled',
      {
        e: picture(2048, 2048),
        l: ['CreateList', { 'inputs.input0': ['e', 0], 'inputs.scale_by': 0.0001, 'inputs.width': 1 }],
        s: ['ImageScaleBy', { image: ['l', 0], scale_by: 2, upscale_method: 'area' }],
      },
      4096 ** 2,
    ],
    [
      'small pictures in the size of a large one',
      {
        e: picture(2048, 2048),
        f: ['EmptyImage', { width: 16, height: 16, batch_size: 100, color: 0 }],
        s: [
          'ResizeImageMaskNode',
          { input: ['f', 0], resize_type: 'match size', 'resize_type.match': ['e', 0], 'resize_type.crop': 'center' },
        ],
      },
      100 * 2048 ** 2,
    ],
    [
      'the rays of a camera for each frame of a video',
      {
        e: picture(1, 1),
        s: ['WanCameraEmbedding', { camera_pose: 'Static', width: 1280, height: 1280, length: 161 }],
      },
      161 * 1280 ** 2,
    ],
  ])('count as many pixels as %s can have', (_, nodes, most) => {
    expect(pixelsAfter(nodes)).toBeGreaterThanOrEqual(most);
  });

  it.each<[string, Nodes, number]>([
    [
      'a crop at a known place, scaled to a shorter side',
      {
        e: picture(2048, 1024),
        c: crop(1024, 2048),
        s: ['ResizeImagesByShorterEdge', { images: ['c', 0], shorter_edge: 512 }],
      },
      512 ** 2,
    ],
    [
      'pictures of two sizes beside each other, and a third below, which is made as wide',
      {
        e: picture(1000, 500),
        f: picture(500, 1000),
        a: ['ImageStitch', { image1: ['e', 0], image2: ['f', 0], direction: 'right', match_image_size: true }],
        b: ['ImageStitch', { image2: ['e', 0], image1: ['a', 0], direction: 'down', match_image_size: true }],
      },
      500 * 1000 + 1250 * 500 + 1250 * (500 + 625),
    ],
  ])('count no more than the pixels of %s', (_, nodes, exactly) => {
    expect(pixelsAfter(nodes)).toBe(exactly);
  });
});

describe('numbers over links', () => {
  const pixelsOf = (nodes: Nodes) =>
    demandOf({ ...nodes, e: ['EmptyImage', { width: ['n', 1], height: ['n', 1], batch_size: 1 }] }).pixels;
  const formula = (expression: string, values: Record<string, unknown> = {}) =>
    ['ComfyMathExpression', { expression, ...values }] as const;

  it.each<[string, number]>([
    ['max(((a + 15) // 16) * 16, 256)', 256],
    ['a if a > 2048 else a * b + 1', 501],
    ['(a & ~1) - -b', 105],
    ['min(abs(b), 16) * 2 % 7', 3],
    ['not_a_name', 0],
    ['3 > 2 > 1', 0],
    ['a b', 0],
    ['values[0]', 0],
    ['constructor(1)', 0],
    ['(a', 0],
  ])('are those that %s makes of 100 and 5: %i', (expression, side) => {
    expect(pixelsOf({ n: formula(expression, { 'values.a': 100, 'values.b': 5 }) })).toBe(side ** 2);
  });

  it.each<[string, number]>([
    ['1000 - a', 999],
    ['16000 / a', 16_000],
    ['16000 / max(a * 2, a)', 8000],
    ['a * (70 - a)', 64 * 69],
    ['(a // 32) * 32', 64],
    ['a & ~1', 64],
    ['a if a > 32 else 100', 100],
    ['a % 48', 48],
    ['abs(1 - a)', 63],
    ['100 / (a - 2)', 0],
    ['100 / (a / 100)', 10_000],
    ['100 / (a - 1)', 0],
  ])('are the most that %s can make of a picture that is at most 64 pixels wide: %i', (expression, side) => {
    const nodes: Nodes = {
      p: ['EmptyImage', { width: 64, height: 64, batch_size: 1, color: 0 }],
      c: ['CenterCropImages', { images: ['p', 0], width: 1, height: 1 }],
      g: ['GetImageSize', { image: ['c', 0] }],
      n: formula(expression, { 'values.a': ['g', 0] }),
    };
    expect(pixelsOf(nodes)).toBe(64 ** 2 + side ** 2);
  });

  it.each<[what: string, node: Nodes[string], made: number]>([
    ['rounds halves to even integers', formula('64 + 3000 * (3 - round(a))', { 'values.a': 2.5 }), 3064],
    ['rounds to decimal places', formula('round(a, 1) * 1000', { 'values.a': 0.4 }), 400],
    ['divides without errors of rounding', formula('64 + 3000 * (10 - 1 // 0.1)'), 3064],
    ['has exact integers', formula('64 + 3000 * (9007199254740993 - 9007199254740992)'), 3064],
    ['compares them exactly', formula('8 if 9007199254740993 == 9007199254740992 else 4096'), 4096],
    ['knows that True is 1', formula('64 + 3000 * True', { 'values.True': 0 }), 3064],
    ['has the list of all values', formula('64 if values == 1 else 3064', { 'values.values': 1 }), 3064],
    ['has functions', formula('64 if abs == 1 else 3064', { 'values.abs': 1 }), 3064],
    ['negates', formula('64 + 3000 * a', { 'values.a': ['not', 0] }), 3064],
    ['makes True of any other number', formula('64 + 3000 * (a + 5)', { 'values.a': ['true', 0] }), 18_064],
    ['runs once for each item of a list', ['ComfyNumberConvert', { value: ['list', 0] }], 3064],
    ['gets a choice over a link', formula('64 + 3000 * (a - 2500)', { 'values.a': ['shape', 0] }), 3064],
  ])('are never less than those of Python, which %s', (_what, n, made) => {
    const nodes: Nodes = {
      not: ['ComfyNotNode', { value: 0 }],
      true: ['PrimitiveBoolean', { value: -5 }],
      list: ['CreateList', { 'inputs.input0': 64, 'inputs.input1': '3064' }],
      1: ['CustomCombo', { choice: '21:9 (Ultrawide)' }],
      shape: ['ResolutionSelector', { aspect_ratio: ['1', 0], megapixels: 4, multiple: 8 }],
      n,
      e: ['EmptyImage', { width: ['n', 1] }],
    };
    const number = demandOf(nodes).numbers.at({ node: 'e', input: 'width' });
    expect(number?.value ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(made);
  });

  it('are those of the rounded picture in a formula', () => {
    const nodes: Nodes = {
      p: ['EmptyImage', { width: 1000, height: 1000, batch_size: 1, color: 0 }],
      x: ['ImageScaleBy', { image: ['p', 0], scale_by: 1.0006 }],
      g: ['GetImageSize', { image: ['x', 0] }],
      n: formula('64 + 3000 * (a - 1000.6)', { 'values.a': ['g', 0] }),
      e: ['EmptyImage', { width: ['n', 1] }],
    };
    expect(demandOf(nodes).numbers.at({ node: 'e', input: 'width' })?.value).toBe(1263);
  });

  it('are followed once, however many nodes take the number at the end of a long chain', () => {
    const chain = Array.from({ length: 3000 }, (_, n) => [
      `p${n}`,
      ['PrimitiveInt', { value: n === 0 ? 8 : [`p${n - 1}`, 0] }],
    ]);
    const size = { width: ['p2999', 0], height: ['p2999', 0], batch_size: ['p2999', 0] };
    const makers = Array.from({ length: 3000 }, (_, n) => [`e${n}`, ['EmptyLatentImage', size]]);
    expect(demandOf(Object.fromEntries([...chain, ...makers])).pixels).toBe(3000 * 8 ** 3);
  }, 8000);

  it('are the sizes of pictures, the sides of a shape, and the larger one of a switch', () => {
    const size = {
      p: ['EmptyImage', { width: 30, height: 40, batch_size: 2, color: 0 }] as const,
      n: ['GetImageSize', { image: ['p', 0] }] as const,
    };
    expect(pixelsOf(size)).toBe(2400 + 1600);
    expect(pixelsOf({ n: ['ResolutionSelector', { aspect_ratio: '4:1', megapixels: 1, multiple: 8 }] })).toBe(512 ** 2);
    const steps = { aspect_ratio: '16:9', megapixels: 1, multiple: 128 };
    expect(pixelsOf({ n: ['ResolutionSelector', steps] })).toBe(768 ** 2);
    const ints = { a: ['PrimitiveInt', { value: 64 }] as const, b: ['PrimitiveInt', { value: 128 }] as const };
    const either = formula('a', { 'values.a': ['s', 0] });
    expect(
      pixelsOf({ ...ints, s: ['ComfySwitchNode', { switch: true, on_false: ['b', 0], on_true: ['a', 0] }], n: either }),
    ).toBe(128 ** 2);
  });

  const faultsOf = (nodes: Nodes) => {
    const graph = graphOf(nodes);
    return linkedNumberFaults(graph, demandOf(nodes).numbers, catalogue).map(
      ({ node, input, detail }) => `${node}.${input} ${detail}`,
    );
  };
  const blur = (value: unknown): Nodes => ({
    n: ['PrimitiveInt', { value }],
    b: ['ImageBlur', { image: ['e', 0], blur_radius: ['n', 0], sigma: 1 }],
  });

  it('must be within the bounds that ComfyUI sets for numbers in the node itself', () => {
    expect(faultsOf(blur(31))).toEqual([]);
    expect(faultsOf(blur(8000))).toEqual(['b.blur_radius must be from 1 to 31; it is 8000']);
  });

  it.each<[string, Nodes[string]]>([
    ['the length of a text', ['StringLength', { string: 'x'.repeat(8000) }]],
    ['the length of a number', ['StringLength', { string: 1.0000000000000002 }]],
    ['the frame rate of a video', formula('a', { 'values.a': ['v', 2] })],
    ['a text', ['ComfyNumberConvert', { value: ['t', 0] }]],
    ['a formula of the length of a text', formula('a * 1000', { 'values.a': ['t', 0] })],
    ['a list', ['CreateList', { 'inputs.input0': ['t', 0] }]],
  ])('must be known before the graph runs: not from %s', (_what, node) => {
    const nodes: Nodes = {
      t: ['StringLength', { string: 'x' }],
      v: ['GetVideoComponents', { video: ['l', 0] }],
      n: node,
      e: ['EmptyImage', { width: ['n', 0], height: 8, batch_size: 1 }],
    };
    expect(faultsOf(nodes)).toEqual([expect.stringContaining('e.width takes no number that another node finds out')]);
  });

  it('must be bounded by a formula if they are the size of a picture that a VAE made', () => {
    const nodes = (number: Nodes[string]): Nodes =>
      sampled({
        latent: empty(),
        p: ['EmptyImage', { width: 64, height: 64, batch_size: 1, color: 0 }],
        b: ['ImageStitch', { image1: ['p', 0], image2: ['v', 0], direction: 'right', match_image_size: false }],
        g: ['GetImageSize', { image: ['b', 0] }],
        n: number,
        e: ['EmptyImage', { width: ['n', 0], height: 8, batch_size: 1 }],
      });
    const passed = nodes(['PrimitiveInt', { value: ['g', 0] }]);
    expect(faultsOf(passed)).toEqual([expect.stringContaining('e.width takes the size of a picture that a VAE made')]);
    expect(faultsOf(nodes(formula('a', { 'values.a': ['g', 0] })))).toEqual([]);
    expect(demandOf(nodes(formula('a', { 'values.a': ['g', 0] }))).numbers.bounds).toEqual({
      n: { least: 1, most: 64 + 512 },
    });
  });

  it('must be known for the steps of a sampler, which plans them all at once', () => {
    const nodes = sampled({ latent: empty(), n: ['StringLength', { string: 'x' }] }, { steps: ['n', 0] });
    expect(faultsOf(nodes)).toEqual([expect.stringContaining('s.steps takes no number that another node finds out')]);
  });

  it('must be known for an input that takes integers and fractions', () => {
    const nodes: Nodes = {
      t: ['StringLength', { string: 'x' }],
      n: formula('a / 1000', { 'values.a': ['t', 0] }),
      l: ['LTXVEmptyLatentAudio', { frames_number: 1000, frame_rate: ['n', 0], batch_size: 1, audio_vae: ['v', 0] }],
    };
    expect(faultsOf(nodes)).toEqual([expect.stringContaining('l.frame_rate takes no number that another node')]);
  });

  it('must be known where a small fraction makes a sampler plan many steps', () => {
    const nodes: Nodes = {
      t: ['StringLength', { string: 'x' }],
      n: formula('a / 1000000000', { 'values.a': ['t', 0] }),
      s: ['BasicScheduler', { model: ['m', 0], scheduler: 'simple', steps: 20, denoise: ['n', 0] }],
    };
    expect(faultsOf(nodes)).toEqual([expect.stringContaining('s.denoise takes no number that another node')]);
  });

  it('count as the least that they may be where they divide: a frame rate', () => {
    const rate = (value: unknown) =>
      demandOf({
        o: ['PrimitiveFloat', { value: 1 }],
        n: ['PrimitiveFloat', { value: 1000 }],
        w: ['ComfySwitchNode', { switch: false, on_false: ['o', 0], on_true: ['n', 0] }],
        l: ['LTXVEmptyLatentAudio', { frames_number: 1000, frame_rate: value, batch_size: 1, audio_vae: ['v', 0] }],
      }).pixels;
    expect(rate(['w', 0])).toBe(rate(1));
  });

  it('may be unknown where they make nothing larger', () => {
    expect(
      faultsOf({ n: ['WanVaceToVideo', {}], t: ['TrimVideoLatent', { samples: ['n', 2], trim_amount: ['n', 3] }] }),
    ).toEqual([]);
  });
});

it('refuses previews of a list, which nobody could find if one of its items failed', () => {
  const nodes = (list: string): Nodes => ({
    e: ['EmptyImage', { width: 64, height: 64, batch_size: 3, color: 0 }],
    r: ['RebatchImages', { images: ['e', 0], batch_size: 1 }],
    m: ['ImageToMask', { image: [list, 0], channel: 'red' }],
    p: ['MaskPreview', { mask: ['m', 0] }],
  });
  const faultsOf = (list: string) => previewFaults(graphOf(nodes(list)), demandOf(nodes(list)).lists);
  expect(faultsOf('e')).toEqual([]);
  expect(faultsOf('r')).toEqual([expect.objectContaining({ node: 'p', value: 3, most: 1 })]);
});

describe('limits', () => {
  it('are the service’s, those of the workflow instead, and no more than those of the key', () => {
    const { maxSteps, maxSize, maxCount, minSize } = limitsFor(
      LIMITS,
      { limits: { maxSteps: 300, maxSize: 4096 } },
      { maxSize: 32, maxCount: 100 },
    );
    expect({ maxSteps, maxSize, maxCount, minSize }).toEqual({ maxSteps: 300, maxSize: 32, maxCount: 8, minSize: 32 });
  });

  it('admit a video of 121 frames at 1280×720 that is upscaled twice in size', () => {
    const nodes = sampled({
      latent: ['EmptyHunyuanLatentVideo', { width: 1280, height: 720, length: 121, batch_size: 1 }],
      x: ['ImageScaleBy', { image: ['v', 0], scale_by: 2 }],
    });
    expect(faultsBeyond(demandOf(nodes), LIMITS)).toEqual([]);
  });

  it('name the place, the value and the limit of what is beyond them', () => {
    const faults = faultsBeyond(demandOf(sampled({ latent: empty({ batch_size: 9 }) }, { steps: 151 })), LIMITS);
    expect(faults).toEqual([
      { node: 's', input: 'steps', value: 151, most: 150, detail: 'must be 150 or less; it is 151' },
      { node: 'latent', input: 'batch_size', value: 9, most: 8, detail: 'must be 8 or less; it is 9' },
    ]);
  });
});
