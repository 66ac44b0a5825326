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
  expect(health).toMatchObject({ state: 'down', reason: 'its last 3 prompts went badly: forgot it' });
  vi.advanceTimersByTime(30_000);
  health.reached();
  expect(health.state).toBe('up');
  health.promptWentBadly('job 6', 'forgot it');
  expect(health.state).toBe('down');
  vi.advanceTimersByTime(30_000);
  health.reached();
  health.promptWentWell();
  health.promptWentBadly('job 7', 'forgot it');
  expect(health.state).toBe('up');
});
