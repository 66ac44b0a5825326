import { expect, it } from 'vitest';
import { restsAfterKills } from '../src/instance/rests-after-kills.js';

const MINUTE = 60_000;

const restOf = (times: readonly number[], now: number) => {
  const [rest] = restsAfterKills([{ key: 'mallory', workflow: 'graph', times }], now);
  return rest && { until: rest.until, count: rest.count };
};

it("lets a key's jobs of a workflow rest for ten minutes after the second kill", () => {
  expect(restOf([0], 0)).toBeUndefined();
  expect(restsAfterKills([{ key: 'mallory', workflow: 'thumb', times: [0, 100] }], 100)).toEqual([
    {
      scope: { key: 'mallory', workflow: 'thumb' },
      until: 100 + 10 * MINUTE,
      count: 1,
      code: 'instance_killed',
      error: expect.stringContaining('2 ComfyUI instances died'),
    },
  ]);
  expect(restOf([0, 100], 100 + 10 * MINUTE)).toBeUndefined();
});

it('lets them rest again after each further kill within the hour', () => {
  expect(restOf([0, 100, 11 * MINUTE], 11 * MINUTE)).toEqual({ until: 21 * MINUTE, count: 2 });
});
