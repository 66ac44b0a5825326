import { describe, expect, it } from 'vitest';
import { afterEnd, NO_HISTORY, PACE } from '../supervised.mjs';

const EARLY = PACE.early.withinMs - 1;
const LATER = PACE.early.withinMs;
const WELL = PACE.wellAfterMs;

/** The wait after each end of a process that ran for these times in ms, or 'given up'. */
function waits(...lives: readonly number[]): (number | 'given up')[] {
  let history = NO_HISTORY;
  return lives.map((ranMs) => {
    const then = afterEnd(history, ranMs);
    if (then === undefined) return 'given up';
    history = then.history;
    return then.waitMs;
  });
}

describe('a process that ends', () => {
  it('is started again after a second, then after twice as long each time, at most 30 s', () => {
    expect(waits(LATER, LATER, LATER, LATER, LATER, LATER, LATER)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });

  it('is started again after a second when it has run well for a while', () => {
    expect(waits(LATER, LATER, LATER, WELL, LATER)).toEqual([1000, 2000, 4000, 1000, 2000]);
  });

  it('five times within its first ten seconds is given up', () => {
    expect(waits(0, EARLY, 0, EARLY, 0)).toEqual([1000, 2000, 4000, 8000, 'given up']);
  });

  it('later than that, once, has its early ends forgotten', () => {
    expect(waits(0, 0, 0, 0, LATER, 0, 0, 0, 0, 0).indexOf('given up')).toBe(9);
  });

  it('later each time is never given up', () => {
    expect(waits(...Array.from({ length: 100 }, () => LATER))).not.toContain('given up');
  });
});
