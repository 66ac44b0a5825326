import { convertIndexedToRgb, decode as decodePng } from 'fast-png';
import { decode as decodeJpeg } from 'jpeg-js';

/** Four bytes for each pixel: RGBA. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Of a PNG or a JPEG. */
export function pixelsOf(bytes: Uint8Array): Pixels {
  if (bytes[0] === 0xff) return decodeJpeg(bytes, { useTArray: true });
  const { width, height, data, channels, depth, palette, ...rest } = decodePng(bytes);
  if (palette === undefined) return { width, height, data: rgba(data, channels, depth) };
  const rgb = convertIndexedToRgb({ width, height, data, channels, depth, palette, ...rest });
  return { width, height, data: rgba(rgb, palette[0]?.length ?? 3, 8) };
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
