import type { ErrorCode } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { Instance } from '../src/instance/instance.js';
import { InstanceHealth } from '../src/instance/instance-health.js';
import type { Scope } from '../src/instance/scope.js';
import { createRestarter, restartBroken } from '../src/upkeep/restarter.js';
import { quietLog } from './held.js';

const HOUR_MS = 3_600_000;
const GPU = { name: 'w/1', url: 'http://127.0.0.1:8188' };

/** A restarter whose clock and commands the test controls. */
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

it('restarts it at once when it had recovered, but not more often than allowed within an hour', async () => {
  const { restarter, pass, begun, end } = setUp({ mostPerHour: 2 });
  for (let n = 0; n < 4; n += 1) {
    restarter.needed(GPU, 'timed_out');
    await end();
    restarter.recovered(GPU.name);
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

const LIMITS = { failuresToRest: 3, firstRestMs: 0, longestRestMs: 0 };

/** An instance to which this happened, and what the restarter is asked to do. */
function after(happens: (health: InstanceHealth) => void) {
  const health = new InstanceHealth({ limits: LIMITS, onChange: () => {}, onRests: () => {} });
  health.reached();
  happens(health);
  const instance = { name: 'w/1', url: 'http://127.0.0.1:8188', health } as Instance;
  const asked: string[] = [];
  const restarter = {
    needed: ({ name }: { name: string }, reason: string) => asked.push(`restart ${name}: ${reason}`),
    recovered: (name: string) => asked.push(`${name} is well`),
  };
  const look = (standing = {}) => {
    restartBroken([{ instance, running: undefined, waiting: [], ...standing }], restarter);
    return asked.splice(0);
  };
  return { look };
}

const observed = (times: number, code: ErrorCode) => (health: InstanceHealth) => {
  for (let n = 0; n < times; n += 1) health.observed({ code, error: 'CUDA error: `reboot`' });
};
/** This many jobs of one key fail, each as the trial after the one before, while test prompts pass. */
const failing = (times: number, scope: Scope) => (health: InstanceHealth) => {
  for (let n = 0; n < times; n += 1) {
    const subject = { job: `${n}`, key: 'k', workflow: 'text2img', checkpoint: 'a' };
    health.entered(subject);
    health.jobFailed(subject, { print: 'x', code: 'gpu_failed', error: 'CUDA error', scope, certain: true });
    health.left(subject.job);
    health.tested(true);
  }
};

it('restarts an instance whose GPU still fails after its first rest, and passes only a code', () => {
  expect(after(observed(1, 'gpu_failed')).look()).toEqual([]);
  expect(after(observed(2, 'gpu_failed')).look()).toEqual(['restart w/1: gpu_failed']);
  expect(after(observed(2, 'prompt_lost')).look()).toEqual(['restart w/1: prompt_lost']);
});

it('restarts no instance with a job of ours, and none for errors that a new process does not cure', () => {
  expect(after(observed(2, 'gpu_failed')).look({ waiting: [{}] })).toEqual([]);
  expect(after(observed(2, 'model_unreadable')).look()).toEqual([]);
});

it.each([[{}], [{ workflow: 'text2img' }]])('restarts none on the word of one key, however often it fails', (scope) => {
  expect(after(failing(5, scope)).look()).toEqual(['w/1 is well']);
});

it('counts an instance that is up as recovered', () => {
  expect(after(() => {}).look()).toEqual(['w/1 is well']);
});
