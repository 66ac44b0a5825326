import sharp from 'sharp';
import type { Latent } from '../nodes/values.js';
import { drawContent } from './content.js';
import { SMALL } from './small-scene.js';

const PREVIEW_SIDE = 512;

/** Draws one picture of a latent: RGB pixels, width × height × 3 bytes. */
export async function drawLatent(latent: Latent, index: number): Promise<Buffer> {
  return drawContent(latent.content, { width: latent.width, height: latent.height, index, isSmall: isSmall(latent) });
}

/** A JPEG of the picture as it is after `part` (0–1) of the steps: latent-sized, scaled up to 512 pixels. */
export async function drawPreview(latent: Latent, part: number): Promise<Buffer> {
  const [width, height] = [Math.max(1, latent.width / 8), Math.max(1, latent.height / 8)];
  const pixels = await drawContent(latent.content, { width, height, index: 0, part, isSmall: isSmall(latent) });
  const scale = PREVIEW_SIDE / Math.max(width, height);
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), {
      // of a handful of pixels nothing can be made but squares, and squares are made quickly
      kernel: isSmall(latent) ? 'nearest' : 'linear',
    })
    .jpeg({ quality: 95, optimiseCoding: !isSmall(latent) })
    .toBuffer();
}

function isSmall({ width, height }: Latent): boolean {
  return width * height <= SMALL;
}
