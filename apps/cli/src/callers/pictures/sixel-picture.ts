import { convertIndexedToRgb, decode } from 'fast-png';
import { image2sixel } from 'sixel';

const COLORS = 256;

/** A PNG as Sixel. */
export function sixelPicture(png: Uint8Array): string {
  const { width, height, data, channels, depth, palette, ...rest } = decode(png);
  if (palette !== undefined) {
    const rgb = convertIndexedToRgb({ width, height, data, channels, depth, palette, ...rest });
    return image2sixel(rgba(rgb, palette[0]?.length ?? 3, 8), width, height, COLORS);
  }
  return image2sixel(rgba(data, channels, depth), width, height, COLORS);
}

/** Of grey, grey with alpha, RGB or RGBA, with 8 or 16 bits. */
function rgba(data: ArrayLike<number>, channels: number, depth: number): Uint8Array {
  const pixels = data.length / channels;
  const result = new Uint8Array(pixels * 4);
  const hasAlpha = channels % 2 === 0;
  const at = (index: number) => (depth === 16 ? (data[index] ?? 0) >> 8 : (data[index] ?? 0));
  for (let pixel = 0; pixel < pixels; pixel++) {
    const from = pixel * channels;
    for (let color = 0; color < 3; color++) result[pixel * 4 + color] = at(channels < 3 ? from : from + color);
    result[pixel * 4 + 3] = hasAlpha ? at(from + channels - 1) : 255;
  }
  return result;
}
