import { describe, expect, it } from 'vitest';
import { gpuTimeOf, jainIndex, percentOffDue, shareOf } from '../src/measure/scheduler/shares.js';
import type { SimulatedJob } from '../src/measure/scheduler/simulation.js';

const job = (key: string, gpuMs: number): SimulatedJob => ({ id: key, key, lod: 'mid', priority: 0, gpuMs });

describe('the GPU time of keys', () => {
  it('includes only the time while all keys had a backlog, and also keys that got nothing', () => {
    const choices = [
      { job: job('a', 8), contestedMs: 5 },
      { job: job('b', 7), contestedMs: 0 },
      { job: job('a', 1), contestedMs: 1 },
    ];
    expect(gpuTimeOf(choices)).toEqual(
      new Map([
        ['a', 6],
        ['b', 0],
      ]),
    );
  });

  it('has no shares if no key got any', () => {
    expect(shareOf('a', new Map([['a', 0]]))).toBe(0);
  });
});

describe('the deviation of a key from its due share', () => {
  const weights = new Map([
    ['a', 1],
    ['b', 3],
  ]);
  const off = (a: number, b: number) =>
    percentOffDue(
      new Map([
        ['a', a],
        ['b', b],
      ]),
      weights,
    );

  it.each([
    [25, 75, 0],
    [30, 70, 20],
    [20, 80, -20],
    [0, 100, -100],
  ])('with weights 1 : 3 and %d : %d is %d per cent', (a, b, expected) => {
    expect(off(a, b)).toBeCloseTo(expected);
  });

  it('is -100 per cent for a key that got nothing', () => {
    expect(percentOffDue(new Map([['b', 9]]), weights)).toBe(-100);
  });
});

describe("Jain's index", () => {
  it.each([
    [[3, 3, 3], 1],
    [[9, 0, 0], 1 / 3],
    [[1, 3], 0.8],
    [[0, 0], 0],
  ])('of %j is %d', (values, expected) => {
    expect(jainIndex(values)).toBeCloseTo(expected);
  });
});
