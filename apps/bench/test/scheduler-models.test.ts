import type { JournalLine } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { modelRun } from '../src/measure/scheduler/models/measure.js';
import { floodScenario, type ModelScenario, modelScenarios } from '../src/measure/scheduler/models/scenarios.js';

const SIZES = { shuffled: 400, slow: 200, quick: 200, flood: 40, popular: 310, loras: 60, held: 60 };

const counts = ({ files, jobs }: ModelScenario) => files.map((file) => jobs.filter((job) => job === file).length);

describe('the scenarios', () => {
  const { shuffled, slow, quick, popular, loras } = modelScenarios(SIZES);

  it('have the same number of jobs of each file, in a random order that is always the same', () => {
    expect([counts(shuffled), counts(loras)]).toEqual([
      [100, 100, 100, 100],
      [10, 10, 10, 10, 10, 10],
    ]);
    const switches = shuffled.jobs.filter((file, n) => n > 0 && file !== shuffled.jobs[n - 1]).length;
    expect(switches).toBeGreaterThan(0.65 * SIZES.shuffled);
    expect(modelScenarios(SIZES)).toEqual(modelScenarios(SIZES));
  });

  it('have a 1/n share of jobs for the nth file, if files differ in popularity', () => {
    const [first = 0, second, third, ...rest] = counts(popular);
    expect([second, third, rest.at(-1)]).toEqual([first / 2, Math.round(first / 3), Math.round(first / 12)]);
  });

  it.each([
    ['load a checkpoint for three of four', slow, 100 + 0.75 * 800],
    ['load nothing', quick, 100],
  ])('let jobs arrive at 70 %% of what GPUs can do that %s', (_, { jobs, arrivals }, jobMs) => {
    const meanGapMs = (arrivals?.times.at(-1) ?? 0) / jobs.length;
    expect(jobMs / 2 / meanGapMs).toBeGreaterThan(0.6);
    expect(jobMs / 2 / meanGapMs).toBeLessThan(0.8);
  });

  it('use the fifth checkpoint only for lone jobs', () => {
    const { fifth, files, jobs } = floodScenario(40);
    expect([files.includes(fifth), jobs.includes(fifth), new Set(jobs).size]).toEqual([true, false, 4]);
  });
});

let at = 0;
const executed = (port: number, ms: number, ...loaded: readonly string[]): JournalLine[] => {
  const entry = { sequence: 1, pid: 1, port, run: 1, prompt_id: `${++at}`, client_id: null, number: 1 };
  const begun = { ...entry, started_at: 1000 * at };
  const end = { ended_at: begun.started_at + ms, outcome: 'success', steps: 1, cached: [], loaded, moved: [] } as const;
  return [
    { ...begun, event: 'start' },
    { ...begun, ...end, event: 'end' },
  ];
};

describe('a run', () => {
  it('counts the loaded files of all GPUs, and lasts from the first start to the last end', () => {
    at = 0;
    const lines = [executed(1, 900, 'a', 'b'), executed(2, 900, 'a'), executed(1, 102), executed(2, 104)].flat();
    const run = modelRun(lines, { patienceSeconds: 30, waitsMs: [1, 2, 3, 4] });
    expect(run).toMatchObject({ jobs: 4, loads: 3, makespanMs: 3104, promptMs: 103 });
  });

  it.each([
    ['more prompts than jobs', [...executed(1, 1), ...executed(1, 1)]],
    ['fewer', []],
    ['one that did not end', executed(1, 1).slice(0, 1)],
  ])('is invalid with %s', (_, lines) => {
    expect(() => modelRun(lines, { patienceSeconds: 0, waitsMs: [1] })).toThrow('for 1 jobs the journals have');
  });
});
