import type { Sharp } from 'sharp';
import { loadSharp } from '../../files/load-sharp.js';

/** Longer than the largest picture takes on a slow machine. */
const SECONDS = 30;
/** Of the channels red, green, blue and alpha. */
const ALPHA = 3;

/** The picture as a PNG on a white ground; undefined when nothing of it is transparent. */
export async function onWhite(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  return (await opened(picture)).flatten({ background: '#ffffff' }).png().toBuffer();
}

/**
 * Of a picture whose transparent parts are to be changed, a PNG in which they are transparent and white, and all else is
 * black: ComfyUI's loaders make the same mask of its transparency and of each of its colours. Undefined when it has none.
 */
export async function maskOf(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  const sharp = await loadSharp();
  const alpha = await pixels((await opened(picture)).ensureAlpha().extractChannel(ALPHA));
  const inverted = await pixels(sharp(alpha.data, { raw: alpha.info }).negate().toColourspace('srgb'));
  return joined(inverted, alpha);
}

/** The picture with the transparency of the mask, as a PNG; undefined when that has none. */
export async function withTransparencyOf(mask: Buffer, picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(mask))) return undefined;
  const alpha = await pixels((await opened(mask)).ensureAlpha().extractChannel(ALPHA));
  return joined(await pixels((await opened(picture)).removeAlpha().toColourspace('srgb')), alpha);
}

/** What was checked when it arrived: its type, and that it has no more pixels than may be. */
async function opened(picture: Buffer): Promise<Sharp> {
  const options = { failOn: 'error', limitInputPixels: false, pages: 1 } as const;
  const sharp = await loadSharp();
  return sharp(picture, options).timeout({ seconds: SECONDS }).autoOrient();
}

async function hasAlpha(picture: Buffer): Promise<boolean> {
  const sharp = await loadSharp();
  return (await sharp(picture, { limitInputPixels: false }).metadata()).hasAlpha;
}

type Pixels = Awaited<ReturnType<typeof pixels>>;

/** In a step of its own: sharp does the steps of one pipeline in an order of its own. */
function pixels(picture: Sharp) {
  return picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

async function joined(colours: Pixels, alpha: Pixels): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp(colours.data, { raw: colours.info }).joinChannel(alpha.data, { raw: alpha.info }).png().toBuffer();
}
