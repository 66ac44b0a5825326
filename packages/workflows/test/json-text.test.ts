import fc from 'fast-check';
import { isInteger, parse } from 'lossless-json';
import { describe, expect, it } from 'vitest';
import {
  MAX_NUMBER_CHARS,
  parseJson,
  parseMarked,
  parsePlainJson,
  parseStoredJson,
  showJson,
  showMarked,
} from '../src/index.js';

it('writes parsed JSON unchanged, however large an integer is', () => {
  const text =
    '{"seed":18446744073709551615,"low":-9223372036854775808,"odd":"\\"1\\"","list":[1,2.5,null,true],"é":"\\n"}';
  expect(showJson(parseJson(text))).toBe(text);
  expect(showMarked(parseMarked(text) as object)).toBe(text);
});

it('writes JSON without such numbers like JSON.stringify', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(showJson(value)).toBe(JSON.stringify(value));
      expect(showJson({ value, big: 2n ** 60n })).toBe(`{"value":${JSON.stringify(value)},"big":1152921504606846976}`);
    }),
  );
});

/** Parses everything with the exact parser. */
const exactly = (text: string) =>
  parse(text, undefined, {
    parseNumber: (digits) =>
      isInteger(digits) && !Number.isSafeInteger(Number(digits)) ? BigInt(digits) : Number(digits),
  });

it('reads integers on both sides of 2^53 − 1 like the exact parser, wherever they are', () => {
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

describe('a number', () => {
  const long = (chars: number) => [
    '1'.repeat(chars),
    `-${'1'.repeat(chars - 1)}`,
    `0.${'1'.repeat(chars - 2)}`,
    `${'1'.repeat(30)}.${'1'.repeat(chars - 34)}e-5`,
    `1e${'0'.repeat(chars - 3)}1`,
  ];
  const places: readonly ((number: string) => string)[] = [
    (number) => number,
    (number) => ` [1,${number}] `,
    (number) => `{"a\\"":"\\\\","b":{"c":[${number},2]}}`,
  ];
  const texts = (chars: number) => long(chars).flatMap((number) => places.map((place) => place(number)));

  it.each(texts(MAX_NUMBER_CHARS + 1))('of 65 characters is refused by its length: %s', (text) => {
    const refusal = /^has a number of 65 characters \(.{20}…\), and 64 are the most/;
    expect(() => parseJson(text)).toThrow(refusal);
    expect(() => parsePlainJson(text)).toThrow(refusal);
  });

  it.each(texts(MAX_NUMBER_CHARS))('of 64 characters is read: %s', (text) => {
    expect(parseJson(text)).toEqual(exactly(text));
    expect(parsePlainJson(text)).toEqual(JSON.parse(text));
  });

  it('may be as long as any text inside a string or a name', () => {
    const digits = '1'.repeat(1000);
    for (const text of [`"${digits}"`, `"\\"${digits}"`, `{"${digits}":"-${digits}.5"}`]) {
      expect(parseJson(text)).toEqual(JSON.parse(text));
      expect(parsePlainJson(text)).toEqual(JSON.parse(text));
    }
  });

  it.each(['{"a": ', '"abc', `${'1'.repeat(70)}a`, `0${'1'.repeat(20)}`, `["a" 12345678901234567890]`])(
    'in %s, which is not JSON, does not make it JSON',
    (text) => {
      for (const parse of [parseJson, parsePlainJson, parseStoredJson]) {
        expect(() => parse(text)).toThrow('is not valid JSON: ');
      }
    },
  );

  it('that is too long is rounded in stored JSON, next to others that stay exact', () => {
    const stored = parseStoredJson(`{"seed":18446744073709551615,"long":[${'9'.repeat(65)},-0.${'1'.repeat(90)}]}`);
    expect(stored).toEqual({ seed: 18446744073709551615n, long: [1e65, -0.1111111111111111] });
  });
});
