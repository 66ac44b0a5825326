import sharp from 'sharp';
import type { Images, Latent, LatentContent, Painting } from '../nodes/values.js';
import { withCaption } from './caption.js';
import { drawScene, randomFrom } from './scene.js';

/** Pictures of at most this many pixels get no caption; thousands of them are drawn in tests. */
const SMALL = 96 * 96;
/** A wider median filter takes too long on larger pictures. */
const LARGE = 1_500_000;
/** A larger picture shows a scene of this many pixels, scaled up. */
const SCENE_PIXELS = 256 * 256;
const PREVIEW_SIDE = 512;
const NOISE_LENGTH = 65_521;

interface Size {
  readonly width: number;
  readonly height: number;
  /** The picture's place in the batch. */
  readonly index: number;
}

/** Draws one picture of a latent: RGB pixels, width × height × 3 bytes. The same latent gives the same bytes. */
export async function drawLatent({ content, width, height }: Latent, index: number): Promise<Buffer> {
  const pixels = await drawContent(content, { width, height, index });
  const hasCaption = content.kind === 'painted' && width * height > SMALL;
  return hasCaption ? withCaption(pixels, content.painting, width, height) : pixels;
}

/**
 * A JPEG of the picture after `part` (0–1) of the last sampler's steps, drawn at the size of the latent and scaled up.
 */
export async function drawPreview({ content, ...latent }: Latent, part: number): Promise<Buffer> {
  const [width, height] = [Math.max(1, latent.width / 8), Math.max(1, latent.height / 8)];
  const pixels = await drawContent(afterPart(content, part), { width, height, index: 0 });
  const scale = PREVIEW_SIDE / Math.max(width, height);
  return rgb(pixels, width, height)
    .resize(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), {
      kernel: latent.width * latent.height <= SMALL ? 'nearest' : 'linear',
    })
    .jpeg({ quality: 75, optimiseCoding: false })
    .toBuffer();
}

function afterPart(content: LatentContent, part: number): LatentContent {
  if (content.kind !== 'painted') return content;
  return { ...content, painting: { ...content.painting, steps: content.painting.steps * part } };
}

async function drawContent(content: LatentContent, size: Size): Promise<Buffer> {
  switch (content.kind) {
    case 'empty':
      return Buffer.alloc(size.width * size.height * 3, 127);
    case 'pixels':
      return fit(content.images, size);
    case 'painted':
      return paint(content.under, content.painting, size);
  }
}

async function fit(images: Images, { width, height, index }: Size): Promise<Buffer> {
  const frame = images.frames[index % images.frames.length];
  if (frame === undefined) return Buffer.alloc(width * height * 3, 127);
  if (images.width === width && images.height === height) return frame;
  return rgb(frame, images.width, images.height).resize(width, height, { fit: 'fill' }).raw().toBuffer();
}

async function paint(under: LatentContent, painting: Painting, size: Size): Promise<Buffer> {
  const pixels = await scaledScene(painting, size);
  const { denoise, steps } = painting;
  if (under.kind !== 'empty' && denoise < 1) {
    const before = await withoutNoise(await drawContent(under, size), size);
    // At denoise 0.3 little of the new scene shows, at 0.8 nearly all of it.
    const share = denoise ** 1.35;
    for (let at = 0; at < pixels.length; at++) pixels[at] = mix(before[at] ?? 0, pixels[at] ?? 0, share);
  }
  addNoise(pixels, painting, size.index, noiseLevel(steps) * Math.max(0.3, denoise));
  return pixels;
}

async function scaledScene(painting: Painting, { width, height, index }: Size): Promise<Buffer> {
  const scale = Math.sqrt(SCENE_PIXELS / (width * height));
  if (scale >= 1) return drawScene(painting, { width, height, index });
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const scene = drawScene(painting, { width: w, height: h, index });
  return rgb(scene, w, h).resize(width, height, { fit: 'fill' }).raw().toBuffer();
}

function withoutNoise(pixels: Buffer, { width, height }: Size): Promise<Buffer> {
  return rgb(pixels, width, height)
    .median(width * height > LARGE ? 3 : 5)
    .raw()
    .toBuffer();
}

/** The share of noise left after a number of steps: 0.5 after one step, 0.24 after 8, 0.06 after 30. */
function noiseLevel(steps: number): number {
  return 0.5 * Math.exp(-(steps - 1) / 9) + 0.018;
}

function addNoise(pixels: Buffer, painting: Painting, index: number, level: number): void {
  const random = randomFrom('noise', painting.seed, index, painting.style, painting.negative, painting.cfg);
  const noise = Uint8Array.from({ length: Math.min(NOISE_LENGTH, pixels.length) }, () => random() * 256);
  for (let at = 0; at < pixels.length; at++) {
    pixels[at] = mix(pixels[at] ?? 0, noise[at % noise.length] ?? 0, level);
  }
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

function rgb(pixels: Buffer, width: number, height: number) {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
