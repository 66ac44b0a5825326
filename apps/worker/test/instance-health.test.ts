import { expect, it } from 'vitest';
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
