import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pictureOfText } from '../src/files/picture-bytes.js';

const MOST = 1_000_000;

const bytes = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((array) => Buffer.from(array));

describe('a picture as text', () => {
  it('is decoded to the same bytes in either alphabet, with or without padding and whitespace', () => {
    const spaces = fc.array(fc.tuple(fc.nat(), fc.constantFrom(' ', '\r\n', '\t')));
    fc.assert(
      fc.property(bytes, fc.constantFrom('base64', 'base64url'), spaces, (data, alphabet, breaks) => {
        const text = breaks.reduce(
          (broken, [at, space]) => {
            const place = at % (broken.length + 1);
            return broken.slice(0, place) + space + broken.slice(place);
          },
          data.toString(alphabet as BufferEncoding),
        );
        expect(pictureOfText(text, MOST)).toEqual(data);
      }),
    );
  });

  it('may be a data URL with a type', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const text = ` DATA:image/png;base64,${data.toString('base64')}`;
        expect(pictureOfText(text, MOST)).toEqual(data);
      }),
    );
  });

  it.each(['data:', 'data:image/png,notbase64', 'data:image/png;base64', `data:${'x'.repeat(100_000)};base64,aGk=`])(
    'that is no data URL of base64 is refused: %.40s',
    (text) => {
      expect(() => pictureOfText(text, MOST)).toThrow('data URL does not have the form');
    },
  );

  it('that is too large is refused with its size', () => {
    expect(() => pictureOfText('A'.repeat(400_000), 100_000)).toThrow(
      'The picture has 300000 bytes; at most 100000 are allowed.',
    );
  });
});
