import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';
import sharp from 'sharp';
import type { Images } from '../nodes/values.js';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Eight bits per channel, RGB, the standard compression and filters, not interlaced. */
const KIND = [8, 2, 0, 0, 0];
const NO_FILTER = 0;

const compressed = promisify(deflate);

/**
 * Encodes RGB pixels as a PNG with texts in Latin-1 after its header. Written by hand, because for a small picture a
 * library takes longer than the rest of the prompt.
 */
export async function encodePng(
  pixels: Buffer,
  { width, height }: { readonly width: number; readonly height: number },
  texts: Iterable<readonly [string, string]>,
): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set(KIND, 8);
  const rowBytes = width * 3;
  const rows = Buffer.alloc((rowBytes + 1) * height, NO_FILTER);
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (rowBytes + 1) + 1, y * rowBytes, (y + 1) * rowBytes);
  const described = [...texts].map(([key, text]) => chunk('tEXt', Buffer.from(`${key}\0${text}`, 'latin1')));
  const data = chunk('IDAT', await compressed(rows, { level: 4 }));
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), ...described, data, chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}

/** The chunks of a PNG in order. */
function chunksOf(png: Buffer): { readonly type: string; readonly data: Buffer }[] {
  const chunks = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data });
  }
  return chunks;
}

/** More frames would only make files larger. */
const MOST_FRAMES = 24;

export interface WebpOptions {
  readonly fps: number;
  readonly lossless: boolean;
  /** 1 to 100. */
  readonly quality: number;
  /** 0 to 6. */
  readonly effort: number;
  /** Fields of its EXIF. */
  readonly texts: Readonly<Record<string, string>>;
}

/** An animated WebP; a single picture stays still, as with ComfyUI. */
export async function animatedWebp(
  { width, height, frames }: Images,
  { fps, texts, ...options }: WebpOptions,
): Promise<Buffer> {
  const raw = { width, height, channels: 3 as const };
  const [only, ...others] = frames.slice(0, MOST_FRAMES);
  if (others.length === 0) return sharp(only, { raw }).webp(options).withExif({ IFD0: texts }).toBuffer();
  const shown = await Promise.all(frames.slice(0, MOST_FRAMES).map((frame) => sharp(frame, { raw }).png().toBuffer()));
  return sharp(shown, { join: { animated: true } })
    .webp({ ...options, delay: shown.map(() => Math.round(1000 / fps)), loop: 0 })
    .withExif({ IFD0: texts })
    .toBuffer();
}

/** An animated PNG made of the frames' image data, with consecutive sequence numbers. */
export async function animatedPng({ width, height, frames }: Images, fps: number): Promise<Buffer> {
  const raw = { width, height, channels: 3 as const };
  const shown = await Promise.all(frames.slice(0, MOST_FRAMES).map((frame) => sharp(frame, { raw }).png().toBuffer()));
  let sequence = 0;
  const parts: Buffer[] = [];
  for (const [index, png] of shown.entries()) {
    const chunks = chunksOf(png);
    if (index === 0) parts.push(chunk('IHDR', chunks.find(({ type }) => type === 'IHDR')?.data ?? Buffer.alloc(0)));
    if (index === 0) parts.push(chunk('acTL', numbers(shown.length, 0)));
    const control = Buffer.concat([numbers(sequence++, width, height, 0, 0), Buffer.alloc(6)]);
    control.writeUInt16BE(Math.round(1000 / fps), 20);
    control.writeUInt16BE(1000, 22);
    parts.push(chunk('fcTL', control));
    for (const { type, data } of chunks) {
      if (type !== 'IDAT') continue;
      parts.push(index === 0 ? chunk('IDAT', data) : chunk('fdAT', Buffer.concat([numbers(sequence++), data])));
    }
  }
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts, chunk('IEND', Buffer.alloc(0))]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, at * 4);
  return bytes;
}
