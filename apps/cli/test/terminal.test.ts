import type { FleetStatus, Job, JobHandle } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { createReport } from '../src/callers/follow/create-report.js';
import { createSheetReport } from '../src/callers/sheets/sheet-report.js';
import { showFleet } from '../src/callers/show-fleet.js';
import { FakeTerminal } from './fake-terminal.js';

const JOB = {
  id: '0197',
  status: 'running',
  seed: 7,
  instance: 'gpu/1',
  duration_ms: null,
  eta_seconds: null,
  error: null,
  progress: { fraction: 0.5, step: 4, steps: 8, node: 'Sampler' },
} as Job;
const ENDED = { ...JOB, status: 'succeeded', duration_ms: 1500 } as Job;
const handle = (snapshot: Job) =>
  ({ snapshot, outputs: [{ href: 'http://fleet/files/0197_1.png' }] }) as unknown as JobHandle;

function atTerminal() {
  const terminal = new FakeTerminal();
  const results: string[] = [];
  const said: string[] = [];
  const surroundings = {
    terminal,
    log: terminal,
    result: (text: string) => void results.push(text),
    say: (text: string) => void said.push(text),
    interrupted: () => new AbortController().signal,
  };
  return { terminal, results, said, surroundings };
}

describe('a terminal', () => {
  it('shows the bar of a job, and at its end where its files are', async () => {
    const { terminal, results, surroundings } = atTerminal();
    const report = createReport(surroundings, { picture: false });
    report.job({ ...JOB, progress: { ...JOB.progress, fraction: 0 } });
    report.progress(JOB.progress);
    await report.ended(handle(ENDED));
    report.close();
    expect(terminal.lines).toContain(`${'█'.repeat(12)}${'░'.repeat(12)} 50 % · step 4/8 · Sampler`);
    expect(results).toEqual(['http://fleet/files/0197_1.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('names the files that were saved, and no address of them', async () => {
    const { results, surroundings } = atTerminal();
    const report = createReport(surroundings, { picture: false });
    report.file({ job: '0197', index: 0, path: 'fox.png', bytes: 1 });
    await report.ended(handle(ENDED));
    report.close();
    expect(results).toEqual(['fox.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('has one bar for all rows of a file, and a line for each that went wrong', () => {
    const { terminal, said, surroundings } = atTerminal();
    const report = createSheetReport(surroundings, { total: 4 });
    report.under(2);
    report.ended(1, handle(ENDED));
    report.ended(2, handle({ ...ENDED, status: 'canceled' } as Job));
    report.close();
    expect(terminal.lines).toContainEqual(expect.stringContaining('2 of 4 · 0 under way · 1 failed'));
    expect(said).toEqual(['line 2: 0197 canceled in 1.5 s · seed 7 · gpu/1']);
  });
});

it('shows the fleet in tables that fit', () => {
  const instance = {
    name: 'gpu/1',
    state: 'up',
    drain: null,
    reason: null,
    busy_share: 0.5,
    jobs_done: 9,
    jobs_failed: 1,
  };
  const running = { job: '0197', since: '2026-01-01T00:00:00Z' };
  const more = { running, waiting: ['0198'], checkpoint: 'xl.safetensors' };
  const status = {
    paused: null,
    pools: [{ name: 'default', waiting: 3, running: 1, instances: 1, backlog_seconds: 90, paused: null }],
    workers: [{ name: 'gpu', storage_fault: null, instances: [{ ...instance, ...more }] }],
    shares: [],
    notes: ['A note.'],
  } as unknown as FleetStatus;
  expect(showFleet(status, 100, Date.parse('2026-01-01T00:00:05Z'))).toBe(
    [
      'pool       waiting  running  instances  backlog',
      'default    3        1        1          1 min 30 s',
      '',
      'instance  state  busy            done  failed  model           runs',
      'gpu/1     up     ████░░░░  50 %  9     1       xl.safetensors  0197 for 5 s, 1 next',
      '',
      'A note.',
    ].join('\n'),
  );
  const narrow = showFleet(status, 40, 0).split('\n');
  expect(Math.max(...narrow.map((line) => line.length))).toBe(39);
});
