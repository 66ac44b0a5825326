import { expect, it } from 'vitest';
import { MediaFault, measureTiff } from '../src/index.js';

const hex = (text: string) => Buffer.from(text, 'hex');

/** A TIFF whose pages have these numbers of tags. With `back`, the last page names the first as the next one. */
function paged(tags: readonly number[], { back = false } = {}): Buffer {
  const pages: Buffer[] = [];
  let at = 8;
  for (const [index, count] of tags.entries()) {
    const page = Buffer.alloc(2 + 12 * count + 4);
    page.writeUInt16LE(count);
    const next = index === tags.length - 1 ? (back ? 8 : 0) : at + page.length;
    page.writeUInt32LE(next, page.length - 4);
    pages.push(page);
    at += page.length;
  }
  return Buffer.concat([hex('49492a0008000000'), ...pages]);
}

it('counts each page of a TIFF once, including pages with too many tags for libtiff', () => {
  expect(measureTiff(paged([9, 5000, 9]))).toMatchObject({ frames: 3 });
  expect(measureTiff(paged([9, 9], { back: true }))).toMatchObject({ frames: 2 });
  expect(() => measureTiff(paged(Array.from({ length: 20_000 }, () => 0)))).toThrow(MediaFault);
});

/** A TIFF with pages of these sizes. */
function sized(sides: readonly (readonly [width: number, height: number])[], { type = 4, isBig = false } = {}): Buffer {
  const file = paged(sides.map(() => 2));
  for (const [page, side] of sides.entries()) {
    for (const [tag, value] of side.entries()) {
      const at = 8 + page * 30 + 2 + 12 * tag;
      file.writeUInt16LE(0x100 + tag, at);
      file.writeUInt16LE(type, at + 2);
      file.writeUInt32LE(1, at + 4);
      file.writeUInt32LE(value, at + 8);
    }
  }
  if (isBig) file.writeUInt16LE(43, 2);
  return file;
}

it.each([3, 4])('returns the largest sides among the pages of a TIFF, as numbers of the type %i', (type) => {
  expect(
    measureTiff(
      sized(
        [
          [16, 16],
          [9000, 20],
          [10, 8000],
        ],
        { type },
      ),
    ),
  ).toEqual({ width: 9000, height: 8000, frames: 3 });
});

it('refuses a TIFF whose sides cannot be read, or whose pages overlap in too many tags', () => {
  expect(() => measureTiff(sized([[16, 16]], { type: 5 }))).toThrow(MediaFault);
  expect(() => measureTiff(sized([[16, 16]], { isBig: true }))).toThrow(MediaFault);
  const overlapping = paged(Array.from({ length: 30 }, () => 40_000));
  expect(() => measureTiff(overlapping)).toThrow(MediaFault);
});

/** A TIFF of one page with these entries, followed by `more` bytes. */
function withEntries(
  entries: readonly (readonly [tag: number, type: number, count: number, value: number])[],
  more: number,
) {
  const file = Buffer.concat([paged([entries.length]), Buffer.alloc(more)]);
  for (const [index, [tag, type, count, value]] of entries.entries()) {
    const at = 10 + 12 * index;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  return file;
}

it('refuses a TIFF whose entries share their bytes, since Pillow and ffmpeg copy the value of each entry', () => {
  const entries = Array.from({ length: 500 }, (_, n) => [0xa500 + n, 1, 100_000, 6000] as const);
  expect(() => measureTiff(withEntries(entries, 100_000))).toThrow('has EXIF entries that share their bytes');
  expect(measureTiff(withEntries(entries.slice(0, 2), 107_000))).toMatchObject({ frames: 1 });
});

it('refuses a TIFF with too many GeoTIFF keys, which can share their bytes', () => {
  expect(measureTiff(withEntries([[0x87af, 3, 80, 30]], 1000))).toMatchObject({ frames: 1 });
  expect(() => measureTiff(withEntries([[0x87af, 3, 4000, 30]], 9000))).toThrow('has too many GeoTIFF keys');
});

it('measures the picture instead of its thumbnail if that is the first page, like ffmpeg', () => {
  const size = (width: number, height: number) =>
    [
      [0x100, 4, 1, width],
      [0x101, 4, 1, height],
    ] as const;
  const large = withEntries(size(900, 700), 0).subarray(8);
  const one = withEntries([...size(20, 10), [0x14a, 4, 1, 50]], 0);
  const several = withEntries([...size(20, 10), [0x14a, 13, 2, 50]], 8);
  several.writeUInt32LE(58, 50);
  for (const thumbnail of [one, several])
    expect(measureTiff(Buffer.concat([thumbnail, large]))).toEqual({ width: 900, height: 700, frames: 1 });
  expect(() => measureTiff(withEntries([...size(20, 10), [0x14a, 3, 1, 50]], 0))).toThrow(MediaFault);
});

it('refuses a raw photo, in which ffmpeg decodes a JPEG of any size', () => {
  expect(() => measureTiff(withEntries([[0xc612, 1, 4, 1]], 0))).toThrow('is a raw photo (DNG)');
});
