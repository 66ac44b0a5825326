import { expect, it } from 'vitest';
import { pngFrames } from '../src/index.js';

const chunk = (type: string, bytes = 26) => {
  const content = Buffer.alloc(bytes + 12);
  content.writeUInt32BE(bytes, 0);
  content.write(type, 4);
  return content;
};
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const frame = [chunk('fcTL'), chunk('fdAT', 1000)];

it.each([
  ['of an animation, whatever it says', [chunk('acTL', 8), chunk('fcTL'), chunk('IDAT'), ...frame, ...frame], 3],
  ['behind much metadata', [chunk('iTXt', 100_000), chunk('acTL', 8), chunk('fcTL'), chunk('IDAT'), ...frame], 2],
  ['of a still picture', [chunk('tEXt', 9), chunk('IDAT'), chunk('IEND', 0)], 1],
  ['with something behind it', [chunk('IDAT'), chunk('IEND', 0), Buffer.alloc(100_000)], 1],
  [
    'that others follow, as more than can be counted',
    [chunk('IDAT'), chunk('IEND', 0), Buffer.alloc(50), SIGNATURE, chunk('IHDR', 13), chunk('IDAT')],
    Number.POSITIVE_INFINITY,
  ],
  [
    'that an MNG follows, as more than can be counted',
    [chunk('IDAT'), chunk('IEND', 0), Buffer.from('8a4d4e470d0a1a0a', 'hex'), chunk('IHDR', 13), chunk('IDAT')],
    Number.POSITIVE_INFINITY,
  ],
  [
    'that others follow without an end between them, as more than can be counted',
    [chunk('IDAT'), SIGNATURE, chunk('IHDR', 13), chunk('IDAT')],
    Number.POSITIVE_INFINITY,
  ],
  ['that no reader shows, since the control chunk comes late', [chunk('IDAT'), chunk('acTL', 8), ...frame], 1],
])('counts the frames of a PNG %s', async (_what, chunks, frames) => {
  const content = Buffer.concat([SIGNATURE, chunk('IHDR', 13), ...chunks]);
  for (const size of [7, 64, content.length]) {
    async function* parts() {
      for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
    }
    expect(await pngFrames(parts())).toBe(frames);
  }
});
