import { Writable } from 'node:stream';
import type { Claim, JobRecord } from '@comfy-fleet/jobs';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { expect, it, onTestFinished } from 'vitest';
import { moveBehind } from '../src/claiming/move-behind.js';
import { openInstance } from '../src/instance/instance.js';
import { Lane } from '../src/instance/lanes.js';
import { HeldJob } from '../src/job/held-job.js';
import { createInstruments } from '../src/reporting/instruments.js';

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
const log = createLogger({ service: 'test', level: 'error', format: 'json', stream: nowhere });

/** A lane that has jobs of these pools, one after the other, the first at work; and an idle one. */
function lanesWith(...pools: string[]) {
  const instruments = createInstruments(createMetrics({ service: 'test', log }));
  const open = (name: string) => {
    const instance = openInstance({
      name,
      // Nobody is there, and nobody is asked before the test is over.
      baseUrl: 'http://127.0.0.1:1',
      headers: {},
      pools: ['default', 'video'],
      timeoutMs: 100,
      folders: { output: undefined, input: undefined },
      log,
      limits: { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 600_000 },
      onHealth: () => {},
      onRests: () => {},
      onChange: () => {},
    });
    onTestFinished(() => instance.close());
    instance.health.reached();
    return new Lane(instance, instruments);
  };
  const [busy, idle] = [open('w/1'), open('w/2')];
  const jobs = pools.map((pool, n) => {
    const record = { id: `${n}`, pool, startedAt: null, promptId: null, request: {} } as JobRecord;
    const job = new HeldJob({ record } as Claim, busy, log, new AbortController().signal);
    job.submitted();
    return job;
  });
  return { lanes: [busy, idle], idle, jobs };
}

const able = () => true;
const movedOf = (jobs: readonly HeldJob[]) => jobs.map((job) => job.isToBeTakenBack);

it('has the job that would begin last move to an idle lane', () => {
  const { lanes, idle, jobs } = lanesWith('default', 'default', 'default');
  expect(moveBehind(lanes, { able, isPaused: () => false })).toBe(true);
  expect(movedOf(jobs)).toEqual([false, false, true]);
  expect(jobs[2]?.endTakeBack()).toBe(idle);
});

it('moves no job of a pool that is paused, but one of another pool before it', () => {
  const { lanes, jobs } = lanesWith('default', 'default', 'video');
  expect(moveBehind(lanes, { able, isPaused: (pool) => pool === 'video' })).toBe(true);
  expect(movedOf(jobs)).toEqual([false, true, false]);
});

it('moves nothing when the pools of all that wait are paused', () => {
  const { lanes, idle, jobs } = lanesWith('default', 'video', 'video');
  expect(moveBehind(lanes, { able, isPaused: (pool) => pool === 'video' })).toBe(false);
  expect(movedOf(jobs)).toEqual([false, false, false]);
  expect(idle.isIdle).toBe(true);
});
