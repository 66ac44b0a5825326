import sharp, { type OverlayOptions } from 'sharp';
import type { Images, LatentContent, Painting } from '../nodes/values.js';
import { caption } from './caption.js';
import { noiseLevel, noiseOverlay } from './noise.js';
import { sceneSvg } from './scene.js';
import { smallScene } from './small-scene.js';

const LARGE = 1_500_000;

export interface DrawingSize {
  readonly width: number;
  readonly height: number;
  /** Place in the batch. */
  readonly index: number;
  /** The picture it is, or is a preview of, is drawn in the simple way. */
  readonly isSmall: boolean;
  /** How far the last sampler is, 0–1; absent: done. */
  readonly part?: number;
}

/** RGB pixels of what a latent holds. The same content and size give the same bytes. */
export async function drawContent(content: LatentContent, size: DrawingSize): Promise<Buffer> {
  switch (content.kind) {
    case 'empty':
      return Buffer.alloc(size.width * size.height * 3, 127);
    case 'pixels':
      return fitted(content.images, size);
    case 'painted':
      return painted(content.under, content.painting, size);
  }
}

async function painted(under: LatentContent, painting: Painting, size: DrawingSize): Promise<Buffer> {
  const { width, height, index, part, isSmall } = size;
  const begins = under.kind === 'empty' || painting.denoise >= 1;
  const finished = noiseLevel(painting.steps) * Math.max(0.3, painting.denoise);
  const level = part === undefined ? finished : (finished / 3) * part;
  if (isSmall && begins) return smallScene(painting, width, height, index, level);
  const scene = isSmall
    ? rgb(smallScene(painting, width, height, index, 0), width, height)
    : sharp(Buffer.from(sceneSvg(painting, width, height, index)))
        .resize(width, height, { fit: 'fill' })
        .removeAlpha();
  const overlays: OverlayOptions[] = [];
  let ground = scene;
  if (!begins) {
    const covering = await scene.ensureAlpha(hold(painting.denoise)).raw().toBuffer();
    overlays.push({ input: covering, raw: { width, height, channels: 4 } });
    ground = rgb(await drawContent(under, { width, height, index, isSmall }), width, height).median(
      smoothing(painting, width * height),
    );
  }
  overlays.push(noiseOverlay(painting, index, width, height, level));
  if (part === undefined && !isSmall) overlays.push(...(await caption(painting, width, height)));
  const pixels = await ground.composite(overlays).removeAlpha().toColourspace('srgb').raw().toBuffer();
  // A preview is the sampler's guess at the result: dim shapes first, edges last.
  const blur = ((part === undefined ? 0 : 1 - part) * width) / 14;
  return blur < 0.3 ? pixels : rgb(pixels, width, height).blur(blur).raw().toBuffer();
}

/**
 * Noise in what was there is painted away, edges stay: the side in pixels of a median filter. Wider takes out more, and
 * on large pictures too long.
 */
function smoothing({ steps, denoise }: Painting, pixels: number): number {
  return steps * denoise < 4 || pixels > LARGE ? 3 : 5;
}

/** How much a new painting covers of what was there: little at denoise 0.3, nearly all at 0.8. */
function hold(denoise: number): number {
  return Math.min(1, denoise ** 1.35);
}

async function fitted(images: Images, { width, height, index }: DrawingSize): Promise<Buffer> {
  const frame = images.frames[index % images.frames.length];
  if (frame === undefined) return Buffer.alloc(width * height * 3, 127);
  if (images.width === width && images.height === height) return frame;
  return rgb(frame, images.width, images.height).resize(width, height, { fit: 'fill' }).raw().toBuffer();
}

function rgb(pixels: Buffer, width: number, height: number) {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
