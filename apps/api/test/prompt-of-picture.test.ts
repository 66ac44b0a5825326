import { expect, it } from 'vitest';
import { promptOfPicture } from '../src/decoding/prompt-of-picture.js';

it.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['no picture', Buffer.from('{"1": {}}')],
  ['the beginning of a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
  ['a PNG whose chunk is longer than it', Buffer.from('89504e470d0a1a0affffffff7445587470726f6d707400', 'hex')],
  ['a WebP without any chunk', Buffer.from('RIFF\0\0\0\0WEBP')],
  ['a WebP whose EXIF is cut off', Buffer.from('RIFF\xff\0\0\0WEBPEXIF\xff\0\0\0II*\0', 'latin1')],
])('finds no workflow in %s', async (_what, data) => {
  expect(await promptOfPicture(data, 1000)).toBeUndefined();
});
