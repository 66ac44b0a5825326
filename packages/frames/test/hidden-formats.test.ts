import { expect, it } from 'vitest';
import { hiddenPictures } from '../src/index.js';

/** A JPEG with an index of so many pictures. */
function indexed(pictures: number): Buffer {
  const index = Buffer.alloc(44 + 16 * pictures);
  index.writeUInt16BE(0xffe2);
  index.writeUInt16BE(index.length - 2, 2);
  index.write('MPF\0', 4);
  return Buffer.concat([Buffer.from('ffd8', 'hex'), index, Buffer.from('ffda', 'hex')]);
}

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
  return Buffer.concat([Buffer.from('49492a0008000000', 'hex'), ...pages]);
}

const WEBP = Buffer.from('RIFF\x10\0\0\0WEBPVP8L\x04\0\0\0\x2f\0\0\0', 'latin1');

it.each([
  ['a JPEG', Buffer.from('ffd8ffdb', 'hex'), 0],
  ['a WebP', WEBP, 0],
  ['WebPs behind each other, as more than can be counted', Buffer.concat([WEBP, WEBP]), Number.POSITIVE_INFINITY],
  ['a TIFF, those with too many tags for libtiff included', paged([9, 5000, 9]), 3],
  ['a TIFF whose pages go in circles', paged([9, 9], { back: true }), 2],
])('counts the pictures of %s', (_what, content, pictures) => {
  expect(hiddenPictures(content)).toBe(pictures);
});

it('counts at least the pictures that the index of a JPEG lists', () => {
  expect(hiddenPictures(indexed(4000))).toBeGreaterThanOrEqual(4000);
  expect(hiddenPictures(indexed(2))).toBeLessThan(6);
});

it('refuses files in which it would have to look at too many places', () => {
  expect(() => hiddenPictures(Buffer.from(`\xff\xd8\xff${'MPF\0'.repeat(20_000)}`, 'latin1'))).toThrow('too much');
  expect(() => hiddenPictures(paged(Array.from({ length: 20_000 }, () => 0)))).toThrow('too much');
});
