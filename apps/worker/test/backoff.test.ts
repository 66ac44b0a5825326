import { expect, it } from 'vitest';
import { backoffMs } from '../src/waiting/backoff.js';

it('doubles the pause with every attempt up to half a minute, with jitter of half up or down', () => {
  const pauses = (random: number) => [1, 2, 3, 6, 20].map((attempt) => backoffMs(attempt, () => random));
  expect(pauses(0)).toEqual([500, 1000, 2000, 15_000, 15_000]);
  expect(pauses(0.5)).toEqual([1000, 2000, 4000, 30_000, 30_000]);
});
