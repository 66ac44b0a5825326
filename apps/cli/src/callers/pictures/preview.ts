import type { Graphics } from './graphics.js';
import { KITTY_PREVIEW, kittyPicture } from './kitty.js';

/** The place of a picture, in characters. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** Four bytes for each pixel: RGBA. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Of a character, in pixels: no terminal says so without being asked, and smaller ones are rare. */
const CELL = { width: 7, height: 14 };

/** A preview (the API sends JPEGs) as the sequence that draws it at the cursor, which stays where it is or is to be put back. */
export async function previewSequence(graphics: Graphics, jpeg: Uint8Array, frame: Frame): Promise<string> {
  if (graphics === 'kitty') return kittyOf(jpeg, frame);
  const { image } = await import('ansi-escapes');
  return image(jpeg, { height: frame.rows, width: frame.columns, preserveAspectRatio: true });
}

/** Kitty takes no JPEG. */
async function kittyOf(jpeg: Uint8Array, { columns, rows }: Frame): Promise<string> {
  const [{ decode }, { encode }] = await Promise.all([import('jpeg-js'), import('fast-png')]);
  const pixels = decode(jpeg, { useTArray: true });
  const small = shrink(pixels, { width: columns * CELL.width, height: rows * CELL.height });
  const isWide = (small.width / CELL.width) * rows > (small.height / CELL.height) * columns;
  const size = isWide ? `c=${columns}` : `r=${rows}`; // the other follows from the picture
  return kittyPicture(encode({ ...small, channels: 4 }), `i=${KITTY_PREVIEW},p=1,${size},C=1,q=2,`);
}

/** At most that large, by leaving out pixels. */
export function shrink(
  { width, height, data }: Pixels,
  most: { readonly width: number; readonly height: number },
): Pixels {
  const by = Math.min(1, most.width / width, most.height / height);
  const size = { width: Math.max(1, Math.floor(width * by)), height: Math.max(1, Math.floor(height * by)) };
  const from = new Uint32Array(data.slice().buffer);
  const to = new Uint32Array(size.width * size.height);
  for (let y = 0; y < size.height; y++) {
    const row = Math.floor((y * height) / size.height) * width;
    for (let x = 0; x < size.width; x++) {
      to[y * size.width + x] = from[row + Math.floor((x * width) / size.width)] ?? 0;
    }
  }
  return { ...size, data: new Uint8Array(to.buffer) };
}
