import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJournal } from '@comfy-fleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { percentile } from '../src/lib/report.js';
import { type Execution, executionsIn, gapsIn, usageOf } from '../src/measure/gpu/executions.js';
import { contestedTimes } from '../src/measure/gpu/pictures/measure.js';

const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-gpu-statistics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The journal of two simulators. */
function journal(lines: readonly object[]) {
  const path = join(folder, 'journal.jsonl');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return readJournal(path);
}

const start = (port: number, run: number, prompt_id: string, started_at: number) => {
  return { event: 'start', sequence: run, pid: port, port, run, prompt_id, client_id: null, number: run, started_at };
};
const end = (begun: ReturnType<typeof start>, ended_at: number, outcome = 'success') => {
  return { ...begun, event: 'end', ended_at, outcome, steps: 0, cached: [], loaded: [] };
};
const ran = (gpu: number, startedAt: number, endedAt: number): Execution => {
  return { gpu, promptId: `${gpu}/${startedAt}`, startedAt, endedAt };
};

describe('the executions in a journal', () => {
  const [a, b, c, d] = [start(1, 1, 'a', 100), start(2, 1, 'b', 110), start(1, 2, 'c', 157), start(1, 3, 'd', 200)];

  it('are the ended ones, with the times of their start and end', () => {
    const lines = journal([a, b, end(a, 150), c, end(b, 170), end(c, 199), d]);
    expect(executionsIn(lines, 0)).toEqual([
      { gpu: 1, promptId: 'a', startedAt: 100, endedAt: 150 },
      { gpu: 2, promptId: 'b', startedAt: 110, endedAt: 170 },
      { gpu: 1, promptId: 'c', startedAt: 157, endedAt: 199 },
    ]);
  });

  it('do not include prompts that began before the measurement', () => {
    const lines = journal([a, end(a, 150, 'interrupted'), c, end(c, 199)]);
    expect(executionsIn(lines, 101).map(({ promptId }) => promptId)).toEqual(['c']);
  });

  it('cannot be read if a prompt failed', () => {
    expect(() => executionsIn(journal([a, end(a, 150, 'error')]), 0)).toThrow('the prompt a ended as error');
  });

  it('give the gaps of each GPU separately', () => {
    const lines = journal([a, b, end(a, 150), c, end(b, 170), end(c, 199), d, end(d, 230)]);
    expect(gapsIn(executionsIn(lines, 0))).toEqual([7, 1]);
  });
});

describe('the gaps between prompts', () => {
  it('are measured in the order of the starts, whatever the order of the list', () => {
    expect(gapsIn([ran(1, 300, 400), ran(1, 0, 100), ran(1, 120, 250)])).toEqual([20, 50]);
  });

  it('do not exist for one prompt on each of two GPUs', () => {
    expect(gapsIn([ran(1, 0, 100), ran(2, 200, 300)])).toEqual([]);
  });
});

describe('the usage of GPUs', () => {
  it('is measured from the first start to the last end, and busy is the mean over the GPUs', () => {
    const executions = [ran(1, 1000, 1400), ran(1, 1500, 2000), ran(2, 1100, 1200)];
    expect(usageOf(executions)).toEqual({
      prompts: 3,
      spanMs: 1000,
      promptsPerSecond: 3,
      busy: 0.5,
      medianGapMs: 100,
      longestGapMs: 100,
    });
  });

  it('has no gaps with a single prompt', () => {
    expect(usageOf([ran(1, 0, 100)])).toMatchObject({ busy: 1, medianGapMs: 0, longestGapMs: 0 });
  });

  it('is an error without prompts', () => {
    expect(() => usageOf([])).toThrow('no prompt was executed');
  });
});

it('the shares of keys count only executions at whose start every key had a waiting job', () => {
  const job = (key: string, startedAt: number, arrivedAt = 0) => ({
    key,
    arrivedAt,
    startedAt,
    endedAt: startedAt + 10,
  });
  const executed = [
    job('a', 0),
    job('b', 10),
    job('a', 20),
    job('b', 30),
    job('a', 40),
    job('c', 50, 15),
    job('b', 60),
  ];
  // From the arrival of c at 15 until the start of the last job of a at 40
  expect(contestedTimes(executed)).toEqual(new Map(Object.entries({ a: 10, b: 10, c: 0 })));
});

describe('a percentile', () => {
  it.each([
    [50, 2],
    [51, 3],
    [95, 4],
    [100, 4],
    [0, 1],
  ])('of 1 to 4 for %d per cent is the nearest rank, %d', (share, expected) => {
    expect(percentile([4, 2, 1, 3], share)).toBe(expected);
  });

  it('sorts numbers by size, not as text', () => {
    expect(percentile([9, 10, 100], 50)).toBe(10);
  });
});
