import { describe, expect, it } from 'vitest';
import { type Goal, goalTable, isMet } from '../src/measure/goals.js';
import type { Throughput } from '../src/measure/gpu/measure-throughput.js';
import { FIXED_COST_MS, finishGoals, manyGoals, throughputGoals } from '../src/measure/gpu/report.js';
import type { Usage } from '../src/measure/gpu/usage.js';

const usage = (prompts: number, spanMs: number): Usage => {
  return { prompts, spanMs, promptsPerSecond: (prompts * 1000) / spanMs, busy: 1, medianGapMs: 0, longestGapMs: 0 };
};
const row = (gpus: number, promptMs: number, direct: Usage, service: Usage): Throughput => {
  return { gpus, promptMs, direct, service, poll: undefined };
};
const verdicts = (goals: readonly Goal[]) => goals.map((goal) => [goal.what, isMet(goal)]);

describe('a goal', () => {
  it.each([
    ['at least', 10, true],
    ['at least', 9.9, false],
    ['at most', 10, true],
    ['at most', 10.1, false],
    ['less than', 9.9, true],
    ['less than', 10, false],
  ] as const)('of %s 10 with a value of %d is met: %s', (bound, value, met) => {
    expect(isMet({ what: 'x', value, unit: '', bound, limit: 10 })).toBe(met);
  });

  it('is shown with its value and what was wanted, and a missed one is called so', () => {
    const table = goalTable([
      { what: 'speed', value: 0.9494, unit: '', bound: 'at least', limit: 0.95 },
      { what: 'delay', value: 30, unit: 'ms', bound: 'at most', limit: 30 },
    ]);
    expect(table).toMatch(/^speed +0\.949 +>= 0\.950 +MISSED$/m);
    expect(table).toMatch(/^delay +30\.0 ms +<= 30\.0 ms +ok$/m);
  });
});

describe('the goals of the throughput', () => {
  it.each([
    [50, 1053, false],
    [50, 1052, true],
    [200, 1021, false],
    [200, 1020, true],
    [1000, 1011, false],
    [1000, 1010, true],
  ])('for prompts of %d ms, with %d ms where direct feeding takes 1000, are met: %s', (promptMs, spanMs, met) => {
    expect(throughputGoals([row(1, promptMs, usage(20, 1000), usage(20, spanMs))]).map(isMet)).toEqual([met]);
  });

  it.each([
    [3000, true],
    [3010, false],
  ])('for prompts without work, with %d ms more for 1000 of them, are met: %s', (more, met) => {
    const goals = throughputGoals([row(1, FIXED_COST_MS, usage(1000, 2800), usage(1000, 2800 + more))]);
    expect(goals.map(isMet)).toEqual([met]);
  });

  it('are missed when four GPUs do not do nearly four times what one does, though each row is as good as direct', () => {
    const one = row(1, 200, usage(30, 6000), usage(30, 6000));
    const four = row(4, 200, usage(120, 6400), usage(120, 6400));
    expect(verdicts(throughputGoals([one, four]))).toEqual([
      ['1 × 200 ms: service ÷ direct', true],
      ['4 × 200 ms: service ÷ direct', true],
      ['four GPUs ÷ four times one, 200 ms', false],
    ]);
  });
});

it('the way to succeeded is judged by its median', () => {
  const verdict = (ms: readonly number[]) => finishGoals({ side: 8, bytes: 1, ms }).map(isMet);
  expect([verdict([10, 30, 500]), verdict([10, 31, 31])]).toEqual([[true], [false]]);
});

it('a worker that drives many is judged by throughput, memory and processor', () => {
  const many = {
    gpus: 64,
    direct: usage(640, 10_000),
    service: usage(640, 10_700),
    peakBytes: 250 * 2 ** 20,
    cpu: 0.99,
  };
  expect(manyGoals(many).map(isMet)).toEqual([false, false, true]);
  expect(manyGoals({ ...many, peakBytes: undefined, cpu: undefined })).toHaveLength(1);
});
