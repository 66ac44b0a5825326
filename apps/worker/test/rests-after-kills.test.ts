import { expect, it } from 'vitest';
import { restsAfterKills } from '../src/instance/rests-after-kills.js';

const LIMITS = { firstRestMs: 1000, longestRestMs: 3000 };

const restOf = (times: readonly number[], now: number) => {
  const [rest] = restsAfterKills(new Map([['mallory', times]]), LIMITS, now);
  return rest && { until: rest.until, count: rest.count };
};

it("lets a key's own graphs rest after the second kill, until the rest expires", () => {
  expect(restOf([0], 0)).toBeUndefined();
  expect(restsAfterKills(new Map([['mallory', [0, 100]]]), LIMITS, 100)).toEqual([
    {
      scope: { key: 'mallory', workflow: 'graph' },
      until: 1100,
      count: 1,
      code: 'instance_killed',
      error: expect.stringContaining('2 ComfyUI instances died'),
    },
  ]);
  expect(restOf([0, 100], 1100)).toBeUndefined();
});

it('doubles the rest after each further kill, up to the longest one', () => {
  expect(restOf([0, 100, 1100], 1100)).toEqual({ until: 3100, count: 2 });
  expect(restOf([0, 100, 1100, 3100], 3100)).toEqual({ until: 6100, count: 3 });
});

it('does not prolong a rest for kills by jobs that had begun before it', () => {
  expect(restOf([0, 100, 200, 1000], 1000)).toEqual({ until: 1100, count: 1 });
});
