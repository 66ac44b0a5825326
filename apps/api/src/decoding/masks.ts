import type { Sharp } from 'sharp';
import sharp from 'sharp';
import { openPicture } from './pictures.js';

/** The index of the channel after red, green and blue. */
const ALPHA = 3;

/** The picture as a PNG on a white background; undefined if it has no transparency. */
export async function onWhite(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  return upright(picture).flatten({ background: '#ffffff' }).png().toBuffer();
}

/**
 * Makes a mask from a picture whose transparent parts mark what to change: a PNG that is transparent and white there, and
 * black elsewhere. ComfyUI's loaders read the same mask from its alpha channel and from each colour channel. Undefined if
 * the picture has no transparency.
 */
export async function maskOf(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  const alpha = await pixelsOf(upright(picture).ensureAlpha().extractChannel(ALPHA));
  const inverted = await pixelsOf(sharp(alpha.data, { raw: alpha.info }).negate().toColourspace('srgb'));
  return joinAlpha(inverted, alpha);
}

/** The picture with the transparency of the mask, as a PNG; undefined if the mask has none. */
export async function withTransparencyOf(mask: Buffer, picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(mask))) return undefined;
  const alpha = await pixelsOf(upright(mask).ensureAlpha().extractChannel(ALPHA));
  return joinAlpha(await pixelsOf(upright(picture).removeAlpha().toColourspace('srgb')), alpha);
}

function upright(picture: Buffer): Sharp {
  return openPicture(picture).autoOrient();
}

async function hasAlpha(picture: Buffer): Promise<boolean> {
  return (await openPicture(picture).metadata()).hasAlpha;
}

type Pixels = Awaited<ReturnType<typeof pixelsOf>>;

/** Runs a pipeline. Sharp reorders the steps within a pipeline, so some steps need a separate one. */
function pixelsOf(picture: Sharp) {
  return picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** Joins colours and an alpha channel of the same size into a PNG. */
function joinAlpha(colours: Pixels, alpha: Pixels): Promise<Buffer> {
  return sharp(colours.data, { raw: colours.info }).joinChannel(alpha.data, { raw: alpha.info }).png().toBuffer();
}
