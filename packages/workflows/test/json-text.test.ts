import fc from 'fast-check';
import { isInteger, parse } from 'lossless-json';
import { expect, it } from 'vitest';
import { parseJson, showJson } from '../src/index.js';

it('writes what it read as it was, however large a whole number is', () => {
  const text =
    '{"seed":18446744073709551615,"low":-9223372036854775808,"odd":"\\"1\\"","list":[1,2.5,null,true],"é":"\\n"}';
  expect(showJson(parseJson(text))).toBe(text);
});

it('writes what has no such numbers as JSON.stringify does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(showJson(value)).toBe(JSON.stringify(value));
      expect(showJson({ value, big: 2n ** 60n })).toBe(`{"value":${JSON.stringify(value)},"big":1152921504606846976}`);
    }),
  );
});

/** All of it by the parser that rounds nothing. */
const exactly = (text: string) =>
  parse(text, undefined, {
    parseNumber: (digits) =>
      isInteger(digits) && !Number.isSafeInteger(Number(digits)) ? BigInt(digits) : Number(digits),
  });

it('reads whole numbers on both sides of 2^53 − 1 as the exact parser does, wherever they stand', () => {
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  const digits = fc.oneof(
    fc.bigInt({ min: bound - 2000n, max: bound + 2000n }),
    fc.bigInt({ min: 10n ** 14n, max: 10n ** 18n }),
    fc.bigInt({ min: 0n, max: 2n ** 70n }),
  );
  const around = fc.constantFrom<(number: string) => string>(
    (number) => number,
    (number) => `-${number}`,
    (number) => ` \n${number}\t`,
    (number) => `[${number},-${number}]`,
    (number) => `{"seed":${number}}`,
    (number) => `{"${number}": ${number} ,"b":[1.5,${number}]}`,
    (number) => `["${number}","x${number}\\n${number}"]`,
    (number) => `[0.${number},${number}.5,${number}e1,1.${number}]`,
  );
  fc.assert(
    fc.property(digits, around, (number, written) => {
      const text = written(`${number}`);
      expect(parseJson(text)).toEqual(exactly(text));
    }),
    { numRuns: 2000 },
  );
});

it.each([
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', 9007199254740992n],
  ['-9007199254740992', -9007199254740992n],
  ['1125899906842624', 2 ** 50],
  ['10000000000000000', 10n ** 16n],
])('reads %s as it is', (text, value) => {
  expect(parseJson(text)).toBe(value);
  expect(parseJson(`{"seed":${text}}`)).toEqual({ seed: value });
});
