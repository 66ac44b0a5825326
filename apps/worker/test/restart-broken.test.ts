import type { ErrorCode } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { Instance } from '../src/instance/instance.js';
import { InstanceHealth } from '../src/instance/instance-health.js';
import type { Scope } from '../src/instance/scope.js';
import { restartBroken } from '../src/upkeep/restarter.js';

const LIMITS = { failuresToRest: 3, firstRestMs: 0, longestRestMs: 0 };

/** An instance to which this has happened, and what is asked of the restarter. */
function after(happens: (health: InstanceHealth) => void) {
  const health = new InstanceHealth({ limits: LIMITS, onChange: () => {}, onRests: () => {} });
  health.reached();
  happens(health);
  const instance = { name: 'w/1', url: 'http://127.0.0.1:8188', health } as Instance;
  const asked: string[] = [];
  const restarter = {
    needed: ({ name }: { name: string }, reason: string) => asked.push(`restart ${name}: ${reason}`),
    well: (name: string) => asked.push(`${name} is well`),
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
/** So many jobs of one key fail, each the trial after the one before, while test prompts show nothing wrong. */
const failing = (times: number, scope: Scope) => (health: InstanceHealth) => {
  for (let n = 0; n < times; n += 1) {
    const subject = { job: `${n}`, key: 'k', workflow: 'text2img', checkpoint: 'a' };
    health.entered(subject);
    health.jobFailed(subject, { print: 'x', code: 'gpu_failed', error: 'CUDA error', scope, certain: true });
    health.left(subject.job);
    health.tested(true);
  }
};

it('has an instance restarted whose GPU still fails after its first rest, and says why by a code alone', () => {
  expect(after(observed(1, 'gpu_failed')).look()).toEqual([]);
  expect(after(observed(2, 'gpu_failed')).look()).toEqual(['restart w/1: gpu_failed']);
  expect(after(observed(2, 'prompt_lost')).look()).toEqual(['restart w/1: prompt_lost']);
});

it('restarts none that executes something of ours, nor for what a new process does not put right', () => {
  expect(after(observed(2, 'gpu_failed')).look({ waiting: [{}] })).toEqual([]);
  expect(after(observed(2, 'model_unreadable')).look()).toEqual([]);
});

it.each([[{}], [{ workflow: 'text2img' }]])('restarts none on the word of one key, however often it fails', (scope) => {
  expect(after(failing(5, scope)).look()).toEqual(['w/1 is well']);
});

it('takes one that is up for well', () => {
  expect(after(() => {}).look()).toEqual(['w/1 is well']);
});
