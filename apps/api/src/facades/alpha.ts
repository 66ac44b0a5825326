import type { Sharp } from 'sharp';
import { loadSharp } from '../files/stored-picture.js';

export type Pixels = Awaited<ReturnType<typeof pixelsOf>>;

/** The result of a pipeline. Sharp runs the steps of one pipeline in its own order, so some need pipelines of their own. */
export function pixelsOf(picture: Sharp) {
  return picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** Colours with an alpha channel of the same size, as a PNG. */
export async function joinAlpha(colours: Pixels, alpha: Pixels): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp(colours.data, { raw: colours.info }).joinChannel(alpha.data, { raw: alpha.info }).png().toBuffer();
}
