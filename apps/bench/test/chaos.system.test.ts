import { expect, it } from 'vitest';
import { runChaos, showReport } from '../src/trials/chaos/chaos.js';
import { isFinal } from '../src/trials/evidence/calls-by-job.js';

const SEED = 176;
const JOBS = 50;

it(`keeps all promises while processes are killed at random (${JOBS} jobs, seed ${SEED})`, async ({ signal }) => {
  const report = await runChaos({ seed: SEED, jobs: JOBS, signal });
  expect(report.breaches, showReport(report)).toEqual([]);
  // Without kills, faults and repeats the run would test nothing.
  const { jobs, outages, executions, faults, calls, posts } = report.evidence;
  expect(jobs.size).toBeGreaterThanOrEqual(JOBS);
  expect(executions.length).toBeGreaterThan(JOBS / 2);
  expect(outages.length).toBeGreaterThan(4);
  expect(faults.length).toBeGreaterThan(4);
  expect(outages.some(({ process }) => process.startsWith('dispatcher'))).toBe(true);
  expect(calls.filter((call) => !isFinal(call)).length).toBeGreaterThan(JOBS / 10);
  expect(posts.filter(({ replayed }) => replayed).length).toBeGreaterThan(4);
});
