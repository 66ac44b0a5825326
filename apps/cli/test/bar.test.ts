import type { Job } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { jobLine } from '../src/callers/follow/bar.js';
import { duration } from '../src/callers/words.js';

const PROGRESS = { fraction: 0, step: null, steps: null, node: null } as Job['progress'];
const WAITING = {
  status: 'queued',
  queue_position: 3,
  eta_seconds: 90,
  waiting_for: { code: 'turn', detail: 'Other jobs come first.' },
} as Job;
const RUNNING = { status: 'running', queue_position: null, eta_seconds: 10, waiting_for: null } as Job;

describe('the line of a job', () => {
  it('has its place and what is left while it waits', () => {
    expect(jobLine(WAITING, PROGRESS, 25, 80)).toBe(`${'░'.repeat(24)} waits, 3 before it · about 1 min 5 s left`);
  });

  it('says what it waits for, if that is not its turn', () => {
    const paused = { ...WAITING, eta_seconds: null, waiting_for: { code: 'paused', detail: 'The fleet is paused.' } };
    expect(jobLine(paused as Job, PROGRESS, 0, 80)).toMatch(/waits, 3 before it · The fleet is paused\.$/);
  });

  it('has the part that is done, the step and the node while it runs', () => {
    const line = jobLine(RUNNING, { ...PROGRESS, fraction: 0.5, step: 4, steps: 8, node: 'KSampler' }, 4, 80);
    expect(line).toBe(`${'█'.repeat(12)}${'░'.repeat(12)} 50 % · step 4/8 · about 6 s left · KSampler`);
  });

  it('is never wider than the terminal', () => {
    const line = jobLine(RUNNING, { ...PROGRESS, fraction: 1, node: 'A node with a very long title' }, 0, 30);
    expect(line.length).toBeLessThan(30);
    expect(line.endsWith('…')).toBe(true);
  });
});

it('says how long, in words', () => {
  expect([0.4, 59, 60, 200, 7500].map(duration)).toEqual(['0 s', '59 s', '1 min', '3 min 20 s', '2 h 5 min']);
  expect(duration(-3)).toBe('0 s');
});
