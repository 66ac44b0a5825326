import sharp from 'sharp';
import type { Images } from '../nodes/values.js';
import { chunk, chunksOf } from '../png.js';

/** More would only make large files. */
const MOST_FRAMES = 24;

/** An animated WebP; a single picture stays still, as with ComfyUI. */
export async function animatedWebp({ width, height, frames }: Images, fps: number): Promise<Buffer> {
  const raw = { width, height, channels: 3 as const };
  const shown = await Promise.all(frames.slice(0, MOST_FRAMES).map((frame) => sharp(frame, { raw }).png().toBuffer()));
  if (shown.length < 2) return sharp(shown[0]).webp().toBuffer();
  return sharp(shown, { join: { animated: true } })
    .webp({ delay: shown.map(() => Math.round(1000 / fps)), loop: 0 })
    .toBuffer();
}

/** An animated PNG: the frames' own data, numbered through. */
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
