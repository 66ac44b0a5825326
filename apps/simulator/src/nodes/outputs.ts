import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pythonText } from '@comfy-fleet/workflows';
import { type Clip, clip } from '../media/clips.js';
import { flacTone } from '../media/flac.js';
import { glb } from '../media/models-3d.js';
import { animatedPng, animatedWebp } from '../media/png.js';
import { type JsonObject, writeJson } from '../python.js';
import { type Maker, makeValue } from './made-values.js';
import type { NodeContext, NodeInputs } from './node.js';
import { writeFiles, writePictures, writePreviews } from './save.js';
import type { Images, NodeValue } from './values.js';

/** Writes the files of an output node, and returns what it shows, if anything. */
export type OutputWriter = (maker: Maker, context: NodeContext) => Promise<JsonObject | undefined>;

/** Writes one file with the node's prefix, or a temporary one. */
function writeOne(
  maker: Maker,
  context: NodeContext,
  extension: string,
  make: () => Buffer | Promise<Buffer>,
  type: 'output' | 'temp' = 'output',
): Promise<JsonObject[]> {
  const { width, height } = maker.inputs.find('images', 'images') ?? { width: 0, height: 0 };
  const own = maker.inputs.text('filename_prefix', 'ComfyUI');
  const prefix = type === 'temp' ? `ComfyUI_temp_${context.tempMark}` : own;
  return writeFiles({ prefix, type, extension, size: { width, height }, contents: [make] }, context);
}

/**
 * What ComfyUI stores in its files (the graph and the keys of extra_pnginfo), and a mark that makes each file
 * different.
 */
function noteOf({ mark }: Maker, { pngText }: NodeContext): Record<string, string> {
  return { ...Object.fromEntries([...pngText()].map(([key, value]) => [key, writeJson(value)])), mark };
}

const fps = (inputs: NodeInputs) => Math.max(0.01, inputs.number('fps', 6));

/** ComfyUI lists videos under `images` and marks them as animated. */
const video =
  (container: (inputs: NodeInputs) => string): OutputWriter =>
  async (maker, context) => {
    const extension = container(maker.inputs);
    const make = () => clip(`clip${extension}` as Clip, JSON.stringify(noteOf(maker, context)));
    return { images: await writeOne(maker, context, extension, make), animated: [true] };
  };

const CONTAINERS: Readonly<Record<string, string>> = { webm: '.webm', mkv: '.mkv' };

/** The efforts of WebP's encoder. */
const EFFORTS: Readonly<Record<string, number>> = { fastest: 0, default: 4, slowest: 6 };

const animations: Record<string, OutputWriter> = {
  SaveAnimatedWEBP: async (maker, context) => {
    const images = maker.inputs.get('images', 'images');
    const [prompt, ...extra] = [...context.pngText()].map(([key, value]) => `${key}:${writeJson(value)}`);
    // The real one uses further fields for further texts.
    const texts = { ...(prompt && { Model: prompt }), ...(extra[0] && { Make: extra[0] }) };
    const options = {
      fps: fps(maker.inputs),
      lossless: maker.inputs.value('lossless') === true,
      quality: Math.max(1, maker.inputs.number('quality')),
      effort: EFFORTS[maker.inputs.text('method')] ?? 4,
      texts,
    };
    const write = () => writeOne(maker, context, '.webp', () => animatedWebp(images, options));
    const entries = await context.saving('webp', images, write);
    return { images: entries, animated: [images.frames.length > 1] };
  },
  SaveAnimatedPNG: async (maker, context) => {
    const images = maker.inputs.get('images', 'images');
    const entries = await writeOne(maker, context, '.png', () => animatedPng(images, fps(maker.inputs)));
    return { images: entries, animated: [true] };
  },
  SaveWEBM: video(() => '.webm'),
  SaveVideo: video((inputs) => CONTAINERS[inputs.text('format')] ?? '.mp4'),
  SAM3_TrackPreview: async (maker, context) => {
    const make = () => clip('clip.mp4', JSON.stringify(noteOf(maker, context)));
    return { images: await writeOne(maker, context, '.mp4', make, 'temp'), animated: [true] };
  },
};

/** A tone between 220 and 730 Hz, which depends on the node's inputs. */
const flac = ({ mark }: Maker) => flacTone(220 + 2 * Number.parseInt(mark.slice(0, 2), 16));

function makerOf(format: string, maker: Maker): () => Buffer | Promise<Buffer> {
  if (format === 'mp3') return () => clip('tone.mp3', maker.mark);
  return format === 'opus' ? () => clip('tone.opus', maker.mark) : () => flac(maker);
}

async function write(format: string, maker: Maker, context: NodeContext, type: 'output' | 'temp' = 'output') {
  return { audio: await writeOne(maker, context, `.${format}`, makerOf(format, maker), type) };
}

const sounds: Record<string, OutputWriter> = {
  SaveAudio: (maker, context) => write('flac', maker, context),
  SaveAudioMP3: (maker, context) => write('mp3', maker, context),
  SaveAudioOpus: (maker, context) => write('opus', maker, context),
  SaveAudioAdvanced: (maker, context) => write(maker.inputs.text('format', 'flac'), maker, context),
  PreviewAudio: (maker, context) => write('flac', maker, context, 'temp'),
};

const mesh = (maker: Maker, context: NodeContext) => glb(colourOf(maker.mark), noteOf(maker, context));

/** A point cloud of four points. */
function points({ mark }: Maker): Buffer {
  const colour = colourOf(mark).map((part) => Math.round(part * 255));
  const head = [
    'ply',
    'format ascii 1.0',
    'element vertex 4',
    'property float x',
    'property float y',
    'property float z',
  ];
  const colours = ['property uchar red', 'property uchar green', 'property uchar blue', 'end_header'];
  const corners = ['1 1 1', '-1 -1 1', '-1 1 -1', '1 -1 -1'].map((corner) => `${corner} ${colour.join(' ')}`);
  return Buffer.from(`${[...head, ...colours, ...corners].join('\n')}\n`);
}

function colourOf(mark: string): [number, number, number] {
  const part = (at: number) => Number.parseInt(mark.slice(at, at + 2), 16) / 255;
  return [part(0), part(2), part(4)];
}

const saved: OutputWriter = async (maker, context) => ({
  '3d': await writeOne(maker, context, '.glb', () => mesh(maker, context)),
});

const savedPoints: OutputWriter = async (maker, context) => ({
  '3d': await writeOne(maker, context, '.ply', () => points(maker)),
});

/** Shows the given file, or writes one. Its result is what the viewer gets: the name of the file, and the camera. */
const preview3d =
  (extension: '.glb' | '.ply'): OutputWriter =>
  async (maker, context) => {
    const given = maker.inputs.text('model_file');
    if (given !== '') return { result: [given, null, null] };
    const make = () => (extension === '.glb' ? mesh(maker, context) : points(maker));
    const filename = `preview3d_${maker.mark.slice(0, 32)}${extension}`;
    await mkdir(context.folders.output, { recursive: true });
    await writeFile(join(context.folders.output, filename), make());
    return { result: [filename, null, null] };
  };

const models3d: Record<string, OutputWriter> = {
  SaveGLB: saved,
  Save3DAdvanced: saved,
  SaveGaussianSplat: savedPoints,
  SavePointCloud: savedPoints,
  Preview3D: preview3d('.glb'),
  Preview3DAnimation: preview3d('.glb'),
  Preview3DAdvanced: preview3d('.glb'),
  PreviewGaussianSplat: preview3d('.ply'),
  PreviewPointCloud: preview3d('.ply'),
};

/** What Python's str() makes of a value: numbers and texts as they are, other values by their kind. */
function shown(value: NodeValue): string {
  if (value.kind === 'primitive') return pythonText(value.value);
  return value.kind === 'images' ? `tensor of ${value.width}x${value.height}` : `<${value.kind}>`;
}

function textOf({ inputs }: Maker): string {
  const [value] = inputs.linkedValues;
  return value === undefined ? inputs.text('text', inputs.text('source')) : shown(value);
}

/** A picture of two shapes, whose colours depend on the node's inputs. */
function svg({ mark }: Maker): Buffer {
  const [ground, sun] = [mark.slice(0, 6), mark.slice(6, 12)];
  return Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">' +
      `<rect width="64" height="64" fill="#${ground}"/><circle cx="32" cy="32" r="18" fill="#${sun}"/></svg>\n`,
  );
}

const texts: Record<string, OutputWriter> = {
  PreviewAny: async (maker) => ({ text: [textOf(maker)] }),
  SaveText: async (maker, context) => {
    const text = textOf(maker);
    const extension = `.${maker.inputs.text('format', 'txt')}`;
    return { text: [text], files: await writeOne(maker, context, extension, () => Buffer.from(text)) };
  },
  SaveSVGNode: async (maker, context) => ({ images: await writeOne(maker, context, '.svg', () => svg(maker)) }),
};

/** A safetensors file with one small tensor. */
function weights(mark: string): Buffer {
  const header = JSON.stringify({
    latent_tensor: { dtype: 'U8', shape: [mark.length], data_offsets: [0, mark.length] },
  });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, Buffer.from(padded), Buffer.from(mark)]);
}

/** ComfyUI shows nothing of saved models. */
const saveWeights: OutputWriter = async (maker, context) => {
  await writeOne(maker, context, '.safetensors', () => weights(maker.mark));
  return undefined;
};

const weightFiles: Record<string, OutputWriter> = {
  SaveLatent: async (maker, context) => ({
    latents: await writeOne(maker, context, '.latent', () => weights(maker.mark)),
  }),
  CheckpointSave: saveWeights,
  CLIPSave: saveWeights,
  VAESave: saveWeights,
  ModelSave: saveWeights,
  ImageOnlyCheckpointSave: saveWeights,
  LoraSave: saveWeights,
  SaveLoRA: saveWeights,
  SaveLoRANode: saveWeights,
};

/** The linked pictures, or drawn ones if something else is linked. */
const pictures: OutputWriter = async (maker, context) => {
  const images = (await makeValue('IMAGE', '', 0, maker)) as Images;
  return { images: await writePreviews(images, context) };
};

const comparison: OutputWriter = async ({ inputs }, context) => {
  const side = async (name: string) => {
    const images = inputs.find(name, 'images');
    return images === undefined ? [] : writePreviews(images, context);
  };
  return { a_images: await side('image_a'), b_images: await side('image_b') };
};

/** The writers of output nodes. Each lists its files under the same key as ComfyUI. */
export const outputWriters: Readonly<Record<string, OutputWriter>> = {
  ...animations,
  ...sounds,
  ...models3d,
  ...texts,
  ...weightFiles,
  SaveImageAdvanced: async ({ inputs }, context) => ({
    images: await writePictures(inputs.get('images', 'images'), inputs.text('filename_prefix'), context),
  }),
  MaskPreview: pictures,
  LossGraphNode: pictures,
  ImageCompositor: pictures,
  ImageCompare: comparison,
};

/** An unknown output node shows only its linked pictures. */
export const writeLinkedPictures: OutputWriter = async (maker, context) =>
  maker.inputs.linkedValues.some(({ kind }) => kind === 'images') ? pictures(maker, context) : undefined;
