import { createHash } from 'node:crypto';
import { frameTypeOf } from '@comfy-fleet/frames';
import sharp, { type Sharp } from 'sharp';
import { invalidImage } from '../server/field-errors.js';

// By default libvips caches 100 decoders, and the decoder of a progressive JPEG holds the whole unpacked picture.
sharp.cache(false);

export interface PictureField {
  readonly maxPixels: number;
  /** The field that contains the picture, for errors. */
  readonly pointer: string;
}

/** The form of a converted picture. */
export interface PictureForm {
  /** Pixels; undefined: as wide as the picture. */
  readonly width?: number | undefined;
  readonly format: 'png' | 'jpeg' | 'webp';
  readonly quality?: number | undefined;
}

/** Opens a picture for decoding; of an animation only the first frame. Other decoders follow links, as in an SVG. */
export function openPicture(data: Buffer, maxPixels: number | false = false): Sharp {
  if (frameTypeOf(data) === undefined) throw new Error('it is no PNG, JPEG, WebP or GIF');
  return sharp(data, { failOn: 'error', limitInputPixels: maxPixels, pages: 1 });
}

/** Reads the size of the upright picture from its header. Throws invalid_image for too many pixels. */
export async function pixelsOf(
  data: Buffer,
  { maxPixels, pointer }: PictureField,
): Promise<{ readonly width: number; readonly height: number }> {
  const { autoOrient } = await openPicture(data)
    .metadata()
    .catch((error: unknown) => {
      throw damaged(pointer, error);
    });
  const { width, height } = autoOrient;
  if (width * height <= maxPixels) return { width, height };
  throw invalidImage(pointer, `The picture has ${width}×${height} pixels; at most ${maxPixels} are allowed.`);
}

/**
 * Converts a picture to the form in which inputs are stored: PNG, 8 bits, sRGB, upright, without metadata, and only the first
 * frame of an animation. Transparent pixels become white, because ComfyUI's LoadImage drops the alpha channel, which would
 * usually leave them black.
 */
export async function normalise(data: Buffer, field: PictureField) {
  const { maxPixels, pointer } = field;
  await pixelsOf(data, field);
  try {
    const { data: png, info } = await openPicture(data, maxPixels)
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .png()
      .toBuffer({ resolveWithObject: true });
    const sha256 = createHash('sha256').update(png).digest('hex');
    return { png, sha256, width: info.width, height: info.height };
  } catch (cause) {
    throw damaged(pointer, cause);
  }
}

/** The picture in another size, never enlarged, or format. */
export async function convert(
  data: Buffer,
  { width, format, quality = 80 }: PictureForm,
  maxPixels: number,
): Promise<Buffer> {
  const picture = openPicture(data, maxPixels);
  if (width !== undefined) picture.resize({ width, withoutEnlargement: true });
  // JPEG has no transparency, and transparent pixels are usually black.
  if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
  return picture.toFormat(format, format === 'png' ? {} : { quality }).toBuffer();
}

function damaged(pointer: string, cause: unknown): Error {
  return invalidImage(pointer, 'The picture cannot be decoded: it is damaged or incomplete.', cause);
}
