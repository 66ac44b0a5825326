import { expect, it } from 'vitest';
import { steadyCounts } from '../src/metrics/steady-counts.js';

it('shows no count going down that lost a little, as in a failover, and one that lost most as it is', () => {
  const steady = steadyCounts();
  const shown = (counts: readonly number[]) => counts.map((count) => steady('made', count));
  expect(shown([0, 10, 8, 9, 10, 11])).toEqual([0, 10, 10, 10, 10, 11]);
  expect(steady('failed', 1)).toBe(1);
  expect(shown([5, 4, 6])).toEqual([5, 5, 6]);
});
