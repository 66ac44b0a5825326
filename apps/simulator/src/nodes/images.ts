import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { NodeError } from '../executor/node-error.js';
import { inputFile } from '../folders.js';
import type { NodeContext, NodeInputs, NodeResult, NodeRunner } from './node.js';
import type { Images } from './values.js';

const KERNELS: Record<string, 'nearest' | 'linear' | 'cubic' | 'lanczos3'> = {
  'nearest-exact': 'nearest',
  bilinear: 'linear',
  area: 'linear',
  bicubic: 'cubic',
  lanczos: 'lanczos3',
};

const emptyImage: NodeRunner = (inputs) => {
  const [width, height] = [inputs.number('width', 512), inputs.number('height', 512)];
  const colour = inputs.number('color');
  const frame = Buffer.alloc(width * height * 3, Buffer.from([colour >> 16, colour >> 8, colour]));
  const frames = Array.from({ length: inputs.number('batch_size', 1) }, () => frame);
  return { outputs: [{ kind: 'images', width, height, frames }] };
};

const getImageSize: NodeRunner = (inputs, context) => {
  const { width, height, frames } = inputs.get('image', 'images');
  context.sendText(`width: ${width}, height: ${height}\n batch size: ${frames.length}`);
  return { outputs: [width, height, frames.length].map((value) => ({ kind: 'primitive', value })) };
};

const invert: NodeRunner = (inputs) => {
  const images = inputs.get('image', 'images');
  return { outputs: [{ ...images, frames: images.frames.map((frame) => frame.map((byte) => 255 - byte) as Buffer) }] };
};

async function scaled(...how: Parameters<typeof scaledImages>): Promise<NodeResult> {
  return { outputs: [await scaledImages(...how)] };
}

async function scaledImages(
  images: Images,
  width: number,
  height: number,
  method: string,
  crop: boolean,
): Promise<Images> {
  const [w, h] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
  const raw = { width: images.width, height: images.height, channels: 3 as const };
  const options = { fit: crop ? ('cover' as const) : ('fill' as const), kernel: KERNELS[method] ?? 'cubic' };
  const frames = await Promise.all(
    images.frames.map((frame) => sharp(frame, { raw }).resize(w, h, options).removeAlpha().raw().toBuffer()),
  );
  return { kind: 'images', width: w, height: h, frames };
}

const imageScale: NodeRunner = (inputs) => {
  const images = inputs.get('image', 'images');
  const [width, height] = [inputs.number('width'), inputs.number('height')];
  if (width === 0 && height === 0) return { outputs: [images] };
  const ratio = images.width / images.height;
  const crop = inputs.text('crop') === 'center';
  return scaled(images, width || height * ratio, height || width / ratio, inputs.text('upscale_method'), crop);
};

const imageScaleBy: NodeRunner = (inputs) => {
  const images = inputs.get('image', 'images');
  const factor = inputs.number('scale_by', 1);
  return scaled(images, images.width * factor, images.height * factor, inputs.text('upscale_method'), false);
};

const imageScaleToTotalPixels: NodeRunner = (inputs) => {
  const images = inputs.get('image', 'images');
  const factor = Math.sqrt((inputs.number('megapixels', 1) * 1024 * 1024) / (images.width * images.height));
  return scaled(images, images.width * factor, images.height * factor, inputs.text('upscale_method'), false);
};

/** Scales by 4, as most upscale models do, whatever the model. */
const upscaleWithModel: NodeRunner = async (inputs, context) => {
  await context.step(1, 1);
  const images = inputs.get('image', 'images');
  return scaled(images, images.width * 4, images.height * 4, 'lanczos', false);
};

/** All linked pictures, scaled to the size of the first. */
const batch: NodeRunner = async (inputs) => {
  const all = inputs.linkedValues.filter((value) => value.kind === 'images');
  const [first] = all;
  if (first === undefined) return { outputs: [] };
  const frames: Buffer[] = [];
  for (const images of all) {
    const isAlike = images.width === first.width && images.height === first.height;
    const fitting = isAlike ? images : await scaledImages(images, first.width, first.height, 'bilinear', true);
    frames.push(...fitting.frames);
  }
  return { outputs: [{ ...first, frames }] };
};

async function loadImage(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const name = inputs.text('image');
  const file = inputFile(context.folders, name);
  const shown = `<COMFYUI>/input/${name}`;
  const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
  if (bytes === undefined) {
    throw new NodeError('FileNotFoundError', `[Errno 2] No such file or directory: '${shown}'`, FRAMES);
  }
  if (bytes.length === 0 && context.version === '0.33.0') {
    throw new NodeError(
      'av.error.InvalidDataError',
      `[Errno 1094995529] Invalid data found when processing input: '${shown}'`,
      FRAMES,
    );
  }
  try {
    // A truncated picture is decoded as far as possible, as ComfyUI configures PIL to do.
    const picture = sharp(bytes, { failOn: 'none' }).autoOrient().toColourspace('srgb').removeAlpha();
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
    const frame = info.channels === 3 ? data : await sharp(data, { raw: info }).toColourspace('srgb').raw().toBuffer();
    return { outputs: [{ kind: 'images', width: info.width, height: info.height, frames: [frame] }, { kind: 'mask' }] };
  } catch {
    throw new NodeError('PIL.UnidentifiedImageError', `cannot identify image file '${shown}'`, FRAMES);
  }
}

const FRAMES = [
  '<COMFYUI>/nodes.py:1647 load_image',
  '<COMFYUI>/node_helpers.py:31 pillow',
  '<PYTHON-PACKAGES>/PIL/Image.py:3532 open',
];

export const images: Record<string, NodeRunner> = {
  BatchImagesNode: batch,
  EmptyImage: emptyImage,
  GetImageSize: getImageSize,
  ImageBatch: batch,
  ImageInvert: invert,
  ImageScale: imageScale,
  ImageScaleBy: imageScaleBy,
  ImageScaleToTotalPixels: imageScaleToTotalPixels,
  ImageUpscaleWithModel: upscaleWithModel,
  LoadImage: loadImage,
  LoadImageOutput: loadImage,
};
