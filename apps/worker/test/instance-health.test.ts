import { expect, it, onTestFinished, vi } from 'vitest';
import { InstanceHealth } from '../src/instance-health.js';

it('closes after three failures in a row and opens with the first answer', () => {
  const states: string[] = [];
  const health = new InstanceHealth(({ state }) => states.push(state));
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

it('is down at once when it was never reached', () => {
  const health = new InstanceHealth(() => {});
  expect(health.state).toBe('unknown');
  health.failed('refused');
  expect(health.state).toBe('down');
});

it('rests after three bad prompts in a row however well it answers, and again after one more', () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const health = new InstanceHealth(() => {});
  health.reached();
  health.promptWentBadly('job 1', 'forgot it');
  health.promptWentBadly('job 2', 'forgot it');
  health.promptWentWell();
  health.promptWentBadly('job 3', 'forgot it');
  health.promptWentBadly('job 4', 'forgot it');
  expect(health.state).toBe('up');
  health.promptWentBadly('job 4', 'forgot it');
  expect(health.state).toBe('up');
  health.promptWentBadly('job 5', 'forgot it');
  health.reached();
  expect(health).toMatchObject({ state: 'resting', reason: 'its last 3 prompts went badly: forgot it' });
  vi.advanceTimersByTime(30_000);
  health.reached();
  expect(health.state).toBe('up');
  health.promptWentBadly('job 6', 'forgot it');
  expect(health.state).toBe('resting');
  vi.advanceTimersByTime(30_000);
  health.reached();
  health.promptWentWell();
  health.promptWentBadly('job 7', 'forgot it');
  expect(health.state).toBe('up');
});

it('says the weightiest of the reasons for which it is closed, and opens when the last of them is over', () => {
  const states: string[] = [];
  const health = new InstanceHealth(({ state }) => states.push(state));
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
  expect(health).toMatchObject({ state: 'up', reason: null });
  expect(states).toEqual(['up', 'resting', 'wedged', 'down', 'wedged', 'up']);
});
