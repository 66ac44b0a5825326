import { crc32 } from 'node:zlib';
import { exifText } from '@comfy-fleet/frames';
import { MOST_FAST_PIXELS, withoutFastSave } from '@comfy-fleet/workflows';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { FastSaveFailed } from '../submission/fast-save.js';

/** The largest WebP that is read: random pixels of the largest picture, and the texts. */
const MOST_BYTES = 96 * 1024 * 1024;
/** Conversions at the same time. Each takes one of libuv's four threads, and files need one too. */
const turn = pLimit(3);
/** If more conversions wait, the CPU cannot keep up with the GPUs. */
const MOST_WAITING = 8;

/** Whether more pictures wait for their conversion than should. */
export function hasManyToConvert(): boolean {
  return turn.pendingCount > MOST_WAITING;
}

/**
 * Converts a picture that was saved fast to the PNG that SaveImage would have written: with the same pixels and texts,
 * and compressed alike. Throws FastSaveFailed if that is not possible.
 */
export async function* pngOfWebp(webp: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of webp) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new FastSaveFailed(`its WebP has more than ${MOST_BYTES} bytes`);
  }
  const file = Buffer.concat(pieces);
  yield await turn(() =>
    convert(file).catch((cause: unknown) => {
      throw cause instanceof FastSaveFailed ? cause : new FastSaveFailed('its WebP cannot be decoded', cause);
    }),
  );
}

async function convert(webp: Buffer): Promise<Buffer> {
  const picture = sharp(webp, { limitInputPixels: MOST_FAST_PIXELS });
  const { format, pages = 1, hasAlpha, exif } = await picture.metadata();
  if (format !== 'webp' || pages !== 1 || hasAlpha) {
    throw new FastSaveFailed('its WebP is not a single picture without transparency');
  }
  const png = await picture.png({ compressionLevel: 4, adaptiveFiltering: true }).toBuffer();
  const texts = exif === undefined ? [] : textsIn(exif).map(([key, text]) => textChunk(key, text));
  const rest = png.subarray(HEAD_BYTES);
  const isResolution = rest.toString('latin1', 4, 8) === 'pHYs';
  return Buffer.concat([png.subarray(0, HEAD_BYTES), ...texts, isResolution ? rest.subarray(RESOLUTION_BYTES) : rest]);
}

/** The signature of a PNG and its first chunk, which the texts follow. */
const HEAD_BYTES = 33;
/** The chunk with the resolution, which ComfyUI does not write. */
const RESOLUTION_BYTES = 21;

/** The texts that SaveImage writes, in its order, and the EXIF tags in which SaveAnimatedWEBP writes `prompt:…` and so on. */
const TEXTS = [
  ['prompt', 0x110],
  ['workflow', 0x10f],
] as const;

function textsIn(exif: Buffer): (readonly [key: string, text: string])[] {
  return TEXTS.flatMap(([key, tag]) => {
    const text = exifText(exif, tag);
    if (!text?.startsWith(`${key}:`)) return [];
    const value = text.slice(key.length + 1);
    return [[key, key === 'prompt' ? withoutFastSave(value) : value] as const];
  });
}

function textChunk(key: string, text: string): Buffer {
  const data = Buffer.from(`tEXt${key}\0${text}`, 'latin1');
  const chunk = Buffer.alloc(data.length + 8);
  chunk.writeUInt32BE(data.length - 4);
  data.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(data), data.length + 4);
  return chunk;
}
