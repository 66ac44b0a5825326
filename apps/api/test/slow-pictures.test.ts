import { expect, it } from 'vitest';
import { pixelsOf } from '../src/files/normalise.js';
import { longAnimation, noise } from './pictures.js';

const FIELD = { maxPixels: 40_000_000, pointer: '/image' };

/** The JPEG with one of its scans repeated. */
async function withScans(count: number): Promise<Buffer> {
  const jpeg = await noise().jpeg({ progressive: true }).toBuffer();
  const last = jpeg.lastIndexOf(Buffer.from('ffda', 'hex'));
  const scan = jpeg.subarray(last, -2);
  return Buffer.concat([jpeg.subarray(0, -2), ...Array<Buffer>(count).fill(scan), jpeg.subarray(-2)]);
}

it.each([
  ['a WebP with more than 10,000 frames', longAnimation(10_001), 'The picture has more than 10000 frames.'],
  ['a JPEG with more than 100 scans', withScans(100), 'The picture has more than 100 scans.'],
])('refuses %s, which would hold the decoder for minutes if it had more', async (_what, picture, detail) => {
  await expect(pixelsOf(await picture, FIELD)).rejects.toMatchObject({ code: 'invalid_image', detail });
});

it.each([
  ['a WebP with 9,000 frames', longAnimation(9000), { width: 1, height: 1 }],
  ['a JPEG with 60 more scans', withScans(60), { width: 200, height: 100 }],
])('accepts %s', async (_what, picture, size) => {
  expect(await pixelsOf(await picture, FIELD)).toEqual(size);
});
