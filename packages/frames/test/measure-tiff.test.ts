import { expect, it } from 'vitest';
import { MediaFault, measureTiff } from '../src/index.js';

const hex = (text: string) => Buffer.from(text, 'hex');

/** A TIFF whose pages have so many tags; `back`: the last one names the first as the next one. */
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

it('counts the pages of a TIFF, those with too many tags for libtiff included, and each once', () => {
  expect(measureTiff(paged([9, 5000, 9]))).toMatchObject({ frames: 3 });
  expect(measureTiff(paged([9, 9], { back: true }))).toMatchObject({ frames: 2 });
  expect(() => measureTiff(paged(Array.from({ length: 20_000 }, () => 0)))).toThrow(MediaFault);
});

/** With pages of these sides. */
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

it.each([3, 4])('measures a TIFF by the largest sides of its pages, as numbers of the type %i', (type) => {
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

it('refuses a TIFF whose sides cannot be read, or whose pages overlap in very many tags', () => {
  expect(() => measureTiff(sized([[16, 16]], { type: 5 }))).toThrow(MediaFault);
  expect(() => measureTiff(sized([[16, 16]], { isBig: true }))).toThrow(MediaFault);
  const overlapping = paged(Array.from({ length: 30 }, () => 40_000));
  expect(() => measureTiff(overlapping)).toThrow(MediaFault);
});
