import { expect, it } from 'vitest';
import type { Instance } from '../src/instance/instance.js';
import { InstanceHealth } from '../src/instance/instance-health.js';
import { restartBroken } from '../src/instance/restart-broken.js';

const subject = (job: string) => ({ job, key: 'k', workflow: 'text2img', checkpoint: 'a' });

/** An instance that a job has failed on for this reason, `times` in a row, and what is asked of the restarter. */
function afterFailures(times: number, code: string, scope = {}) {
  const limits = { failuresToRest: 3, firstRestMs: 0, longestRestMs: 0 };
  const health = new InstanceHealth({ limits, onChange: () => {}, onRests: () => {} });
  health.reached();
  for (let n = 0; n < times; n += 1) {
    health.entered(subject(`${n}`));
    health.jobFailed(subject(`${n}`), { print: 'x', code, error: 'CUDA error', scope, certain: true });
    health.left(`${n}`);
  }
  const instance = { name: 'w/1', url: 'http://127.0.0.1:8188', health } as Instance;
  const asked: string[] = [];
  const restarter = {
    needed: ({ name }: { name: string }) => asked.push(`restart ${name}`),
    well: (name: string) => asked.push(`${name} is well`),
  };
  const look = (standing = {}) => {
    restartBroken([{ instance, running: undefined, waiting: [], ...standing }], restarter);
    return asked.splice(0);
  };
  return { look };
}

it('has an instance restarted whose GPU fails, when the job that it was tried with has failed too', () => {
  expect(afterFailures(1, 'gpu_failed').look()).toEqual([]);
  expect(afterFailures(2, 'gpu_failed').look()).toEqual(['restart w/1']);
  expect(afterFailures(2, 'prompt_lost').look()).toEqual(['restart w/1']);
});

it('restarts none that executes something of ours, nor for what a new process does not put right, nor for a part of its work', () => {
  expect(afterFailures(2, 'gpu_failed').look({ waiting: [{}] })).toEqual([]);
  expect(afterFailures(2, 'model_unreadable').look()).toEqual([]);
  expect(afterFailures(2, 'gpu_failed', { workflow: 'text2img' }).look()).toEqual(['w/1 is well']);
});

it('takes one that is up for well', () => {
  expect(afterFailures(0, '').look()).toEqual(['w/1 is well']);
});
