import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_SEED, parseSeed, presentSeed } from '../src/index.js';

describe('parseSeed', () => {
  it.each([
    ['zero', 0, '0'],
    ['the largest number that JSON keeps exact', 9007199254740991, '9007199254740991'],
    ['a string beyond it', '9007199254740993', '9007199254740993'],
    ['the largest seed', '18446744073709551615', '18446744073709551615'],
    ['a string with leading zeros', '0042', '42'],
    ['minus zero', -0, '0'],
  ])('accepts %s', (_what, written, seed) => {
    expect(parseSeed(written)).toBe(seed);
  });

  it.each([
    ['a number that JSON has rounded', 9007199254740992],
    ['a number beyond 2^64', 1e20],
    ['a negative number', -1],
    ['a fraction', 1.5],
    ['no number', Number.NaN],
    ['one more than the largest seed', '18446744073709551616'],
    ['21 digits', '000000000000000000000'],
    ['a sign', '-1'],
    ['a plus', '+1'],
    ['an exponent', '1e3'],
    ['hexadecimal', '0x10'],
    ['a space', ' 1'],
    ['nothing', ''],
  ])('refuses %s', (_what, written) => {
    expect(parseSeed(written)).toBeUndefined();
  });

  it('preserves every seed exactly through parsing and presenting', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_SEED }), (seed) => {
        const presented = presentSeed(seed.toString());
        const overTheWire = JSON.parse(JSON.stringify(presented)) as number | string;
        expect(parseSeed(overTheWire)).toBe(seed.toString());
      }),
    );
  });
});

describe('presentSeed', () => {
  it.each([
    ['0', 0],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['18446744073709551615', '18446744073709551615'],
  ])('presents %s as a number only if a number represents it exactly', (seed, presented) => {
    expect(presentSeed(seed)).toBe(presented);
  });
});
