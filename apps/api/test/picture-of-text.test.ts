import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pictureOfText } from '../src/files/picture-bytes.js';

const MOST = 1_000_000;

const bytes = fc.uint8Array({ minLength: 1, maxLength: 500 }).map((array) => Buffer.from(array));

describe('a picture as text', () => {
  it('is decoded to the same bytes in either alphabet, with or without padding and whitespace', async () => {
    const spaces = fc.array(fc.tuple(fc.nat(), fc.constantFrom(' ', '\r\n', '\t')));
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom('base64', 'base64url'), spaces, async (data, alphabet, breaks) => {
        const text = breaks.reduce(
          (broken, [at, space]) => {
            const place = at % (broken.length + 1);
            return broken.slice(0, place) + space + broken.slice(place);
          },
          data.toString(alphabet as BufferEncoding),
        );
        expect(await pictureOfText(text, MOST)).toEqual({ data, claimed: undefined });
      }),
    );
  });

  it('may be a data URL with a type', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (data) => {
        const text = ` DATA:image/png;base64,${data.toString('base64')}`;
        expect(await pictureOfText(text, MOST)).toEqual({ data, claimed: 'image/png' });
      }),
    );
  });

  it.each([
    ['', 'on one line'],
    ['\n', 'with line breaks'],
  ])('is decoded completely when it takes several steps (%j)', async (space) => {
    const data = Buffer.from(Array.from({ length: 600_001 }, (_, n) => (n * 7919) % 251));
    const text = data.toString('base64').replaceAll(/.{77}/g, (line) => line + space);
    expect((await pictureOfText(`${text}\n`, MOST)).data.equals(data)).toBe(true);
  });

  it.each(['', '   ', '=', '@@@', 'aGk=b', 'aGk===', 'aG\u00a0k=', 'é', 'aGVsé', `${'A'.repeat(300_000)}=AAA`])(
    'that is no base64 is refused: %.20j',
    async (text) => {
      await expect(pictureOfText(text, MOST)).rejects.toThrow('not valid base64');
    },
  );

  it.each(['data:', 'data:image/png,notbase64', 'data:image/png;base64', `data:${'x'.repeat(100_000)};base64,aGk=`])(
    'that is no data URL of base64 is refused: %.40s',
    async (text) => {
      await expect(pictureOfText(text, MOST)).rejects.toThrow('data URL does not have the form');
    },
  );

  it('that is too large is refused with its size', async () => {
    await expect(pictureOfText('A'.repeat(400_000), 100_000)).rejects.toThrow(
      'The picture has 300000 bytes; at most 100000 are allowed.',
    );
  });
});
