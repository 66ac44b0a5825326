import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { maskOf, onWhite, withTransparencyOf } from '../../../src/decoding/masks.js';

/** Two pixels: the left one is transparent, the right one opaque. */
const half = () =>
  sharp(Buffer.from([10, 20, 30, 0, 40, 50, 60, 255]), { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
const opaque = () =>
  sharp(Buffer.from([1, 2, 3, 4, 5, 6]), { raw: { width: 2, height: 1, channels: 3 } })
    .png()
    .toBuffer();
const pixels = async (png: Buffer | undefined) => [...(await sharp(png).raw().toBuffer())];

describe('the transparency of pictures', () => {
  it('becomes a mask in alpha and in every colour: white where transparent, black elsewhere', async () => {
    expect(await pixels(await maskOf(await half()))).toEqual([255, 255, 255, 0, 0, 0, 0, 255]);
  });

  it('of a mask replaces that of a picture, whose colours stay', async () => {
    expect(await pixels(await withTransparencyOf(await half(), await opaque()))).toEqual([1, 2, 3, 0, 4, 5, 6, 255]);
    expect(await pixels(await withTransparencyOf(await half(), await half()))).toEqual([
      10, 20, 30, 0, 40, 50, 60, 255,
    ]);
  });

  it('becomes a white background', async () => {
    expect(await pixels(await onWhite(await half()))).toEqual([255, 255, 255, 40, 50, 60]);
  });

  it('is undefined for pictures without an alpha channel', async () => {
    expect(await onWhite(await opaque())).toBeUndefined();
    expect(await maskOf(await opaque())).toBeUndefined();
    expect(await withTransparencyOf(await opaque(), await half())).toBeUndefined();
  });
});
