import { describe, expect, it } from 'vitest';
import { randomSeed } from '../src/index.js';

describe('randomSeed', () => {
  it('returns integers that a JSON number represents exactly, spread over the whole range', () => {
    const drawn = Array.from({ length: 500 }, () => randomSeed());
    for (const seed of drawn) expect(String(Number.parseInt(seed, 10))).toBe(seed);
    const numbers = drawn.map(Number);
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
    expect(new Set(drawn).size).toBe(500);
    // The probability that 500 draws miss a quarter of the range is 10^-62.
    expect(Math.min(...numbers)).toBeLessThan(2 ** 51);
    expect(Math.max(...numbers)).toBeGreaterThan(3 * 2 ** 51);
  });
});
