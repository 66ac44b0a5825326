import { expect, it } from 'vitest';
import { createRestarter } from '../src/upkeep/restarter.js';
import { quietLog } from './held.js';

const HOUR_MS = 3_600_000;
const GPU = { name: 'w/1', url: 'http://127.0.0.1:8188' };

/** A restarter whose time goes on as it is told, and whose commands end when they are told. */
function setUp({ waitMs = 60_000, mostPerHour = 100 } = {}) {
  let now = 0;
  const ends: (() => void)[] = [];
  const restarter = createRestarter({
    rules: { command: 'true', environment: {}, timeoutMs: 1000, waitMs, mostPerHour },
    log: quietLog(),
    now: () => now,
    run: () => new Promise((resolve) => ends.push(() => resolve({ code: 0, timedOut: false, output: '' }))),
  });
  return {
    restarter,
    pass: (ms: number) => {
      now += ms;
    },
    begun: () => ends.length,
    end: async () => {
      ends.at(-1)?.();
      await Promise.resolve();
    },
  };
}

it('restarts an instance once at a time, and again only after a wait that doubles while it does not help', async () => {
  const { restarter, pass, begun, end } = setUp();
  restarter.needed(GPU, 'timed_out');
  restarter.needed(GPU, 'timed_out');
  expect(begun()).toBe(1);
  await end();
  for (const [waitMs, count] of [
    [60_000, 2],
    [120_000, 3],
    [240_000, 4],
  ] as const) {
    pass(waitMs - 1);
    restarter.needed(GPU, 'timed_out');
    expect(begun()).toBe(count - 1);
    pass(1);
    restarter.needed(GPU, 'timed_out');
    expect(begun()).toBe(count);
    await end();
  }
});

it('restarts it at once when it had been well since, but no more often than it may within an hour', async () => {
  const { restarter, pass, begun, end } = setUp({ mostPerHour: 2 });
  for (let n = 0; n < 4; n += 1) {
    restarter.needed(GPU, 'timed_out');
    await end();
    restarter.well(GPU.name);
    pass(1000);
  }
  expect(begun()).toBe(2);
  restarter.needed({ ...GPU, name: 'w/2' }, 'timed_out');
  expect(begun()).toBe(3);
  pass(HOUR_MS);
  restarter.needed(GPU, 'timed_out');
  expect(begun()).toBe(4);
});

it('does nothing without a command', () => {
  createRestarter({ rules: undefined, log: quietLog() }).needed(GPU, 'timed_out');
});
