import { expect, it } from 'vitest';
import { contentTypeOf, frameTypeOf, frameTypeOfName } from '../src/index.js';

const bytes = (text: string) => Buffer.from(text, 'latin1');

it.each([
  ['\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'png'],
  ['\xff\xd8\xff\xe0\0\x10JFIF', 'jpeg'],
  ['RIFF\x24\n\r\0WEBPVP8 ', 'webp'],
  ['GIF89a\x01\0\x01\0', 'gif'],
  ['GIF87a\x01\0\x01\0', 'gif'],
])('tells by the first bytes that %j is a %s', (start, type) => {
  expect(frameTypeOf(bytes(start))).toBe(type);
});

it.each(['', '\x89PN', 'RIFF\x24\0\0\0WAVEfmt ', 'BM6\0\0\0', 'II*\0', '<svg xmlns', '\0\0\0\x20ftypavif', 'GIF88a'])(
  'knows no frame that begins with %j',
  (start) => {
    expect(frameTypeOf(bytes(start))).toBeUndefined();
  },
);

it.each([
  ['a_1.png', 'image/png', 'png'],
  ['a_1.jpeg', 'image/jpeg', 'jpeg'],
  ['a_1_w64.webp', 'image/webp', 'webp'],
  ['a_1.gif', 'image/gif', 'gif'],
  ['a_1.toString', 'application/octet-stream', undefined],
  ['a', 'application/octet-stream', undefined],
])('the name %s says %s', (name, contentType, type) => {
  expect([contentTypeOf(name), frameTypeOfName(name)]).toEqual([contentType, type]);
});
