import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { pngOfWebp } from '../src/job/png-of-webp.js';
import { FastSaveFailed } from '../src/submission/fast-save.js';

async function convert(webp: Buffer): Promise<Buffer> {
  async function* inPieces() {
    for (let at = 0; at < webp.length; at += 100) yield webp.subarray(at, at + 100);
  }
  const pieces = [];
  for await (const piece of pngOfWebp(inPieces())) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The chunks of a PNG, checked, without those with the pixels. */
function chunksOf(png: Buffer): [type: string, content: string][] {
  const chunks: [string, string][] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    const end = at + 8 + png.readUInt32BE(at);
    expect(png.readUInt32BE(end)).toBe(crc32(png.subarray(at + 4, end)));
    const type = png.toString('latin1', at + 4, at + 8);
    if (type !== 'IDAT') chunks.push([type, png.toString('latin1', at + 8, end)]);
  }
  return chunks;
}

const size = { width: 96, height: 64 };
const noise = (channels: 3 | 4) => {
  const pixels = randomBytes(size.width * size.height * channels);
  return { pixels, picture: sharp(pixels, { raw: { ...size, channels } }) };
};

it('makes of a WebP of a real ComfyUI the PNG that SaveImage of the same ComfyUI wrote', async () => {
  const webp = await readFile(new URL('saved-by-comfyui.webp', import.meta.url));
  const png = await convert(webp);
  const pixels = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect(pixels.info).toMatchObject({ width: 64, height: 64, channels: 3 });
  expect(pixels.data.equals(Buffer.alloc(64 * 64 * 3, 127))).toBe(true);
  // From the file of the real SaveImage.
  const prompt =
    '{"1": {"class_type": "LoadImage", "inputs": {"image": "gray.png"}, "is_changed": ["9b153f09d537eb496006cda2c6236383d19f027c2159e6da4eb53468c9a4ffd5"]}, "9": {"inputs": {"images": ["1", 0], "filename_prefix": "e65dec1a-d551-4052-ac91-080027416475"}, "class_type": "SaveImage", "_meta": {"title": "SaveImage"}}}';
  const workflow = '{"nodes": [], "note": "K\\u00e4se \\"x\\"", "n": 1.5}';
  expect(chunksOf(png)).toEqual([
    ['IHDR', '\0\0\0@\0\0\0@\b\x02\0\0\0'],
    ['tEXt', `prompt\0${prompt}`],
    ['tEXt', `workflow\0${workflow}`],
    ['IEND', ''],
  ]);
});

it('keeps every pixel, and writes no texts where the WebP has none', async () => {
  const { pixels, picture } = noise(3);
  const png = await convert(await picture.webp({ lossless: true, effort: 0 }).toBuffer());
  expect((await sharp(png).raw().toBuffer()).equals(pixels)).toBe(true);
  expect(chunksOf(png).map(([type]) => type)).toEqual(['IHDR', 'IEND']);
});

it.each<[string, () => Promise<Buffer>]>([
  [
    'with transparency, because its colours may have changed',
    () => noise(4).picture.webp({ lossless: true }).toBuffer(),
  ],
  [
    'with several pictures',
    async () => {
      const frames = ['#804020', '#208040'].map((background) =>
        sharp({ create: { ...size, channels: 3, background } })
          .png()
          .toBuffer(),
      );
      return sharp(await Promise.all(frames), { join: { animated: true } })
        .webp({ lossless: true })
        .toBuffer();
    },
  ],
  ['that is cut off', async () => (await noise(3).picture.webp({ lossless: true }).toBuffer()).subarray(0, 500)],
  ['that is none', async () => noise(3).picture.png().toBuffer()],
])('refuses a WebP %s', async (_what, webp) => {
  await expect(convert(await webp())).rejects.toThrow(FastSaveFailed);
});
