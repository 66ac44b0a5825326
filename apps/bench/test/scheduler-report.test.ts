import { expect, it } from 'vitest';
import { isMet } from '../src/measure/goals.js';
import type { Cost } from '../src/measure/scheduler/measure-cost.js';
import { costGoals, crowdGoals, loneGoals, sharesGoals } from '../src/measure/scheduler/report.js';

const pair = (service: readonly [number, number]) => {
  const of = (a: number, b: number) =>
    new Map([
      ['a', a],
      ['b', b],
    ]);
  const scenario = { what: 'x', instances: 1, jobs: [], claims: 1, weights: of(1, 1) };
  return { scenario, service: of(...service), fifo: of(1, 1) };
};
const cost = (jobs: number, bytesPerJob: number, us: readonly number[]): Cost => {
  const stock = { jobs, fillSeconds: 1, bytesPerJob, claim: () => Promise.reject(new Error('not asked')) };
  return { stock, rounds: us.map((time) => ({ us: time, cpuUs: time })) };
};

it.each([
  [[54, 46], true],
  [[46, 54], true],
  [[56, 44], false],
  [[44, 56], false],
] as const)('shares of %j with equal weights are met: %s', (service, met) => {
  expect(sharesGoals([pair(service)]).map(isMet)).toEqual([met]);
});

it('a crowd is judged by the index of what each key got', () => {
  expect([pair([3, 4]), pair([1, 3])].flatMap(crowdGoals).map(isMet)).toEqual([true, false]);
});

it('a lone job is judged by its worst try', () => {
  const lone = (service: readonly number[]) => ({ what: 'a flood', service, fifo: [1000] });
  expect(loneGoals([lone([1, 1, 1]), lone([1, 1, 2])]).map(isMet)).toEqual([true, false]);
});

it.each([
  ['the median of the ratios, not the ratio of the medians', [1, 2, 4], [1.3, 2.6, 40], 2600, [true, true, true]],
  ['time and CPU', [1, 1, 1], [1.31, 1.31, 1.31], 2600, [false, false, true]],
  ['bytes', [1], [1], 2601, [true, true, false]],
])('a long queue is judged by %s', (_, short, long, bytes, met) => {
  expect(costGoals([cost(1000, 9999, short), cost(1_000_000, bytes, long)]).map(isMet)).toEqual(met);
});
