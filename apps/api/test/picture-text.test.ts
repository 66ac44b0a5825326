import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPictureText, pictureOfText, type RawPicture } from '../src/pictures/picture-text.js';

const MOST = 1_000_000;

/** Reads the text in pieces of `size` bytes. */
function read(text: string, size: number, most = MOST): RawPicture {
  const reader = createPictureText(most);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  return reader.picture();
}

const bytes = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((array) => Buffer.from(array));
const size = fc.integer({ min: 1, max: 50 });

describe('a picture as text', () => {
  it('is the same bytes, in either alphabet, padded or not, with spaces anywhere, however it is cut', () => {
    const spaces = fc.array(fc.tuple(fc.nat(), fc.constantFrom(' ', '\r\n', '\t')));
    fc.assert(
      fc.property(bytes, fc.constantFrom('base64', 'base64url'), spaces, size, (data, alphabet, breaks, pieces) => {
        const text = breaks.reduce(
          (broken, [at, space]) => {
            const place = at % (broken.length + 1);
            return broken.slice(0, place) + space + broken.slice(place);
          },
          data.toString(alphabet as BufferEncoding),
        );
        expect(read(text, pieces)).toEqual({ data, claimed: undefined });
      }),
    );
  });

  it('may be a data URL, which claims a type', () => {
    fc.assert(
      fc.property(bytes, size, (data, pieces) => {
        const text = ` DATA:image/png;base64,${data.toString('base64')}`;
        expect(read(text, pieces)).toEqual({ data, claimed: 'image/png' });
      }),
    );
  });

  it('longer than a piece is decoded whole', () => {
    const data = Buffer.from(Array.from({ length: 300_001 }, (_, n) => (n * 7919) % 251));
    expect(read(data.toString('base64'), 10_007).data.equals(data)).toBe(true);
    expect(pictureOfText(data.toString('base64'), MOST).data.equals(data)).toBe(true);
  });

  it.each(['', '   ', '=', '@@@', 'aGk=b', 'aGk===', 'aG\u00a0k=', 'é'])('that is no base64 is refused: %j', (text) => {
    expect(() => read(text, 2)).toThrow('not valid base64');
  });

  it.each(['data:', 'data:image/png,notbase64', 'data:image/png;base64', `data:${'x'.repeat(100_000)};base64,aGk=`])(
    'that is no data URL of base64 is refused: %.40s',
    (text) => {
      expect(() => read(text, 1000)).toThrow('data URL does not have the form');
    },
  );

  it('that is too large is refused with its size, and is not kept', () => {
    expect(() => read('A'.repeat(400_000), 4096, 100_000)).toThrow(
      'The picture has 300000 bytes; 100000 are the most.',
    );
  });
});
