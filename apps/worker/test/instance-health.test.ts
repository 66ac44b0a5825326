import { expect, it, onTestFinished, vi } from 'vitest';
import { InstanceHealth } from '../src/instance/instance-health.js';

const limits = { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 60_000 };
const subject = { job: '1', key: 'k', workflow: 'w', checkpoint: 'c' };
const failure = { print: 'lost', code: 'prompt_lost', error: 'forgot it', certain: false } as const;

function open(
  onChange: (health: InstanceHealth) => void = () => {},
  onRests: (health: InstanceHealth) => void = () => {},
): InstanceHealth {
  return new InstanceHealth({ limits, onChange, onRests });
}

it('closes after three failures in a row and opens at the first answer', () => {
  const states: string[] = [];
  const health = open(({ state }) => states.push(state));
  health.reached();
  health.failed('refused');
  health.failed('refused');
  health.reached();
  health.failed('refused');
  health.failed('refused');
  expect(health.state).toBe('up');
  health.failed('refused');
  expect(health.state).toBe('down');
  expect(health.reason).toBe('refused');
  health.reached();
  expect(health.reason).toBeNull();
  expect(states).toEqual(['up', 'down', 'up']);
});

it('is occupied since the first report, unless it is wedged, and names the current prompt', () => {
  const health = open();
  health.reached();
  health.close('occupied', 'one prompt', 1000);
  health.close('occupied', 'the next prompt', 2000);
  expect([health.state, health.since, health.reason]).toEqual(['occupied', 1000, 'the next prompt']);
  health.close('wedged', 'it goes on');
  expect([health.state, health.isOccupied]).toEqual(['wedged', true]);
  health.open('occupied');
  health.open('wedged');
  expect([health.state, health.isOccupied]).toEqual(['up', false]);
});

it('is down at once when it was never reachable', () => {
  const health = open();
  expect(health.state).toBe('unknown');
  health.failed('refused');
  expect(health.state).toBe('down');
});

it('rests when the test prompt fails, even while it answers, and gets a trial job after one that passes', () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  let due = 0;
  const health = open(
    () => {},
    ({ isToBeTried }) => {
      if (isToBeTried) due += 1;
    },
  );
  health.reached();
  for (const job of ['1', '2', '3']) health.jobFailed({ ...subject, job }, { ...failure, scope: {} });
  expect(health.state).toBe('up'); // for the jobs of other keys
  health.observed(failure);
  health.reached();
  expect(health.state).toBe('resting');
  expect(health.reason).toContain('forgot it');
  vi.advanceTimersByTime(limits.firstRestMs);
  expect(health).toMatchObject({ isTestDue: true, isToBeTried: false });
  health.tested(true);
  expect(due).toBe(1);
  expect(health).toMatchObject({ state: 'resting', isTestDue: false, isToBeTried: true });
  vi.advanceTimersByTime(1);
  health.observed(failure);
  expect(health.isToBeTried).toBe(false);
  vi.advanceTimersByTime(2 * limits.firstRestMs);
  health.tested(true);
  expect(due).toBe(2);
  health.jobSucceeded({ ...subject, job: '5' });
  expect(health).toMatchObject({ state: 'up', reason: null });
});

it('reports the most important reason for being closed, and opens when the last one is gone', () => {
  const states: string[] = [];
  const health = open(({ state }) => states.push(state));
  health.reached();
  health.close('resting', 'failed');
  health.close('wedged', 'stuck');
  expect(health).toMatchObject({ state: 'wedged', reason: 'stuck', isReachable: true });
  for (let n = 0; n < 3; n += 1) health.failed('refused');
  expect(health).toMatchObject({ state: 'down', reason: 'refused', isReachable: false });
  health.open('wedged');
  expect(health.state).toBe('down');
  health.close('wedged', 'stuck');
  health.reached();
  expect(health.state).toBe('wedged');
  health.open('wedged');
  expect(health.state).toBe('resting');
  health.open('resting');
  expect(health.state).toBe('up');
  expect(health.reason).toBeNull();
  expect(states).toEqual(['up', 'resting', 'wedged', 'down', 'wedged', 'resting', 'up']);
});
