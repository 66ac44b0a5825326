import type { Execution } from '@comfy-fleet/jobs';
import { describe, expect, it } from 'vitest';
import { presentTimeline } from '../src/resources/fleet/routes.js';

const HOUR = 3_600_000;
const SPAN = { from: 0, till: HOUR, most: 500 };
const anExecution = (overrides: Partial<Execution>): Execution => ({
  from: 0,
  till: 1000,
  job: 'j',
  workflow: 'text2img',
  lod: 'mid',
  key: 'anna',
  outcome: 'completed',
  loadingMs: 0,
  ...overrides,
});
/** `count` executions in a row. Each begins `everyMs` after the one before. */
const inARow = (count: number, everyMs: number, each: (n: number) => Partial<Execution> = () => ({})) =>
  Array.from({ length: count }, (_, n) =>
    anExecution({ from: n * everyMs, till: n * everyMs + 1000, job: `j${n}`, ...each(n) }),
  );
const seconds = (iso: string) => Date.parse(iso) / 1000;

describe('a timeline', () => {
  it('has one stretch for each execution if they fit', () => {
    const shown = presentTimeline(inARow(500, 5000), SPAN);
    expect(shown).toHaveLength(500);
    expect(shown[1]).toMatchObject({ jobs: 1, job_id: 'j1', workflow: 'text2img', lod: 'mid', key: 'anna' });
  });

  it('joins those that begin in the same slice of time if there are more', () => {
    const executions = inARow(720, 5000, (n) => (n === 300 ? { outcome: 'failed', key: 'bert' } : {}));
    const shown = presentTimeline(executions, { ...SPAN, most: 360 });
    expect(shown).toHaveLength(360);
    expect(shown[0]).toMatchObject({ jobs: 2, job_id: null, workflow: 'text2img', key: 'anna', outcome: 'completed' });
    expect(shown[150]).toMatchObject({ jobs: 2, key: null, outcome: 'failed' });
    expect([seconds(shown[1]?.from ?? ''), seconds(shown[1]?.to ?? '')]).toEqual([10, 16]);
  });

  it('never exceeds the limit when workflows alternate, and loses no execution', () => {
    const kinds = ['text2img', 'img2img', null];
    const executions = inARow(720, 5000, (n) => ({
      workflow: kinds[n % 3] ?? null,
      key: n % 2 === 0 ? 'anna' : 'bert',
      outcome: n === 7 ? 'failed' : 'completed',
      loadingMs: 100,
    }));
    const now = anExecution({ from: HOUR - 10, till: HOUR, job: 'now', outcome: 'running' });
    const shown = presentTimeline([...executions, now], { ...SPAN, most: 100 });
    expect(shown.length).toBeLessThanOrEqual(100);
    expect(shown.reduce((sum, { jobs }) => sum + jobs, 0)).toBe(721);
    expect(shown[0]).toMatchObject({ job_id: null, workflow: null, lod: 'mid', key: null, outcome: 'failed' });
    expect(shown.at(-1)).toMatchObject({ job_id: 'now', outcome: 'running' });
    expect(shown.reduce((sum, { loading_seconds }) => sum + loading_seconds, 0)).toBeCloseTo(72);
  });
});
