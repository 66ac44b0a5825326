import { expect, it } from 'vitest';
import { makePlan } from '../src/chaos/plan.js';
import { longestFree } from '../src/chaos/spans.js';

it('makes the same plan for the same seed, and another one for another', () => {
  expect(makePlan(7, 100)).toEqual(makePlan(7, 100));
  const [one, other] = [makePlan(7, 100), makePlan(8, 100)];
  for (const part of ['jobs', 'kills', 'faults'] as const) expect(one[part]).not.toEqual(other[part]);
});

it('kills every kind of process and plants every kind of fault in a long run', () => {
  const { kills, faults, jobs } = makePlan(7, 500);
  const roles = new Set(kills.map(({ process }) => process.replace(/worker\d\/\d/, 'simulator').replace(/\d/, '')));
  expect([...roles].sort()).toEqual(['api', 'redis', 'simulator', 'worker']);
  expect([...new Set(faults.map(({ fault }) => fault.kind))].sort()).toEqual([
    'error_after_accepting',
    'hang',
    'lost_history',
    'node_error',
    'out_of_memory',
    'reset_after_accepting',
    'reset_before_accepting',
    'silent_socket',
    'slow_view',
  ]);
  expect(new Set(jobs.map(({ path }) => path)).size).toBe(2);
  const moments = new Set(jobs.flatMap(({ cancel }) => (cancel === undefined ? [] : typeof cancel.when)));
  expect(moments).toEqual(new Set(['string', 'number']));
});

it('kills every one to three seconds until some seconds after the last job', () => {
  const { kills, jobs, lengthMs } = makePlan(3, 200);
  for (const { afterMs } of kills) expect(afterMs >= 1000 && afterMs <= 3000).toBe(true);
  const lastKill = kills.reduce((sum, { afterMs }) => sum + afterMs, 0);
  expect(lengthMs - lastKill).toBeLessThanOrEqual(3000);
  expect(jobs.reduce((sum, { afterMs }) => sum + afterMs, 0)).toBeLessThan(lengthMs);
});

it('finds the longest stretch that is free of others', () => {
  const whole = { from: 100, to: 200 };
  expect(longestFree(whole, [])).toBe(100);
  expect(longestFree(whole, [{ from: 150, to: 160 }])).toBe(50);
  expect(
    longestFree(whole, [
      { from: 0, to: 130 },
      { from: 190, to: 300 },
    ]),
  ).toBe(60);
  expect(
    longestFree(whole, [
      { from: 120, to: 180 },
      { from: 130, to: 140 },
    ]),
  ).toBe(20);
  expect(longestFree(whole, [{ from: 0, to: 300 }])).toBe(0);
  expect(longestFree(whole, [{ from: 300, to: 400 }])).toBe(100);
});
