import type { Graphics } from './graphics.js';
import { KITTY_PREVIEW, kittyPicture } from './kitty.js';
import { type Pixels, pixelsOf, shrink } from './pixels.js';

/** The place of a picture, in characters. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** Of a character, in pixels: no terminal says so without being asked, and smaller ones are rare. */
const CELL = { width: 7, height: 14 };
const COLORS = 64;

/** A JPEG or PNG as the sequence that draws it at the cursor, which stays where it is or is to be put back. */
export async function previewSequence(graphics: Graphics, bytes: Uint8Array, frame: Frame): Promise<string> {
  if (graphics === 'iterm2') {
    const { image } = await import('ansi-escapes');
    return image(bytes, { height: frame.rows, width: frame.columns, preserveAspectRatio: true });
  }
  const pixels = shrink(pixelsOf(bytes), {
    width: frame.columns * CELL.width,
    height: frame.rows * CELL.height,
  });
  return graphics === 'sixel' ? sixelOf(pixels) : kittyOf(pixels, frame);
}

async function kittyOf({ width, height, data }: Pixels, { columns, rows }: Frame): Promise<string> {
  const { encode } = await import('fast-png');
  const isWide = (width / CELL.width) * rows > (height / CELL.height) * columns;
  const size = isWide ? `c=${columns}` : `r=${rows}`; // the other follows from the picture
  return kittyPicture(encode({ width, height, data, channels: 4 }), `i=${KITTY_PREVIEW},p=1,${size},C=1,q=2,`);
}

async function sixelOf({ width, height, data }: Pixels): Promise<string> {
  const { image2sixel } = await import('sixel');
  return image2sixel(data, width, height, COLORS);
}
