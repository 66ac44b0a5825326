import { describe, expect, it } from 'vitest';
import type { Subject } from '../src/instance/scope.js';
import { type Failure, Suspicion } from '../src/instance/suspicion.js';

const LIMITS = { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 60_000 };
const UNKNOWN: Failure = { print: 'x', code: 'node_execution_error', error: 'it failed', certain: false };
const GPU: Failure = { print: 'cuda', code: 'gpu_failed', error: 'CUDA error', certain: true, scope: {} };
const MODEL: Failure = { print: 'model', code: 'model_unreadable', error: 'corrupt', certain: true };

let jobs = 0;
const aJob = (parts: Partial<Subject> = {}): Subject => {
  jobs += 1;
  return { job: `job-${jobs}`, key: 'k', workflow: 'text2img', checkpoint: 'xl', ...parts };
};

describe('suspicion', () => {
  it('begins with the first failure, only for other jobs, and ends with a success of a similar job', () => {
    const suspicion = new Suspicion(LIMITS);
    const first = aJob();
    expect(suspicion.isSuspectOf(first, UNKNOWN)).toBe(false);
    suspicion.failed(first, UNKNOWN, 0);
    expect(suspicion.isSuspectOf(first, UNKNOWN)).toBe(false);
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(true);
    suspicion.succeeded(aJob(), 0);
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(false);
  });

  it.each([
    ['of the same workflow', { checkpoint: 'other' }],
    ['with the same checkpoint', { workflow: 'other' }],
  ])('holds for jobs %s although others succeed', (_which, parts) => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), UNKNOWN, 0);
    suspicion.succeeded(aJob({ workflow: 'third', checkpoint: 'third' }), 0);
    expect(suspicion.isSuspectOf(aJob(parts), UNKNOWN)).toBe(true);
    expect(suspicion.isSuspectOf(aJob({ workflow: 'other', checkpoint: 'other' }), UNKNOWN)).toBe(false);
  });

  it('does not apply after the job failed alike elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const [one, other] = [aJob(), aJob()];
    suspicion.failed(one, UNKNOWN, 0);
    suspicion.failed(other, UNKNOWN, 0);
    suspicion.cleared(other.job, 0);
    // The first one failed with the same text, so it is explained as well.
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(false);
  });
});

describe('a rest', () => {
  it('starts at once: from all work for an error of the GPU, only for the model for an error of one model', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), MODEL, 0);
    expect(suspicion.permits(aJob(), 1)).toBe('no');
    expect(suspicion.permits(aJob({ checkpoint: 'other' }), 1)).toBe('yes');
    suspicion.failed(aJob({ checkpoint: 'other' }), GPU, 2);
    expect(suspicion.permits(aJob({ checkpoint: 'third', workflow: 'third' }), 3)).toBe('no');
    // The wider rest replaces the narrower one.
    expect(suspicion.rests).toMatchObject([{ scope: { key: 'k' }, code: 'gpu_failed', until: 10_002 }]);
  });

  it('widens from a workflow with a checkpoint to the checkpoint, and then to all work, as others fail', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), MODEL, 0);
    const scopes = () => suspicion.rests.map(({ scope }) => scope);
    expect(scopes()).toEqual([{ workflow: 'text2img', checkpoint: 'xl', key: 'k' }]);
    suspicion.failed(aJob({ workflow: 'img2img' }), MODEL, 0);
    expect(scopes()).toEqual([{ checkpoint: 'xl', key: 'k' }]);
    suspicion.failed(aJob({ workflow: 'third', checkpoint: 'other' }), MODEL, 0);
    expect(scopes()).toEqual([{ key: 'k' }]);
  });

  it('is for the workflow when it fails with several checkpoints and other workflows succeed with them', () => {
    const suspicion = new Suspicion(LIMITS);
    for (const checkpoint of ['a', 'b', 'c']) {
      suspicion.failed(aJob({ workflow: 'custom', checkpoint }), UNKNOWN, 0);
      suspicion.succeeded(aJob({ checkpoint }), 0);
    }
    suspicion.confirmed(`job-${jobs - 1}`, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ workflow: 'custom', key: 'k' }]);
    expect(suspicion.permits(aJob({ checkpoint: 'a' }), 0)).toBe('yes');
  });

  it('starts after three different jobs failed in a row with an unknown kind of error, not after one job failed three times', () => {
    const suspicion = new Suspicion(LIMITS);
    const first = aJob();
    for (let n = 0; n < 5; n += 1) suspicion.failed(first, UNKNOWN, 0);
    expect(suspicion.rests).toEqual([]);
    suspicion.failed(aJob(), UNKNOWN, 0);
    expect(suspicion.rests).toEqual([]);
    suspicion.failed(aJob(), UNKNOWN, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ workflow: 'text2img', checkpoint: 'xl', key: 'k' }]);
  });

  it.each([
    ['the machine is at fault by the kind of the error', GPU],
    ['of one model', MODEL],
    ['of unknown kind', UNKNOWN],
  ])('is only for keys whose jobs failed, even if some succeeded elsewhere: %s', (_which, failure) => {
    const suspicion = new Suspicion(LIMITS);
    for (const key of ['k', 'other']) {
      const bad = [aJob({ key }), aJob({ key }), aJob({ key })];
      for (const job of bad) suspicion.failed(job, failure, 0);
      suspicion.confirmed(bad[2]?.job ?? '', 0);
      expect(suspicion.permits(aJob({ key }), 0)).toBe('no');
    }
    expect(suspicion.permits(aJob({ key: 'third' }), 0)).toBe('yes');
    expect(suspicion.altogether).toBeUndefined();
  });

  it('is for all work of all keys when the test prompt fails', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), MODEL, 0);
    expect(suspicion.isTestDue(0)).toBe(true);
    suspicion.observed({ code: 'instance_io_failed', error: 'disk full' }, 1);
    expect(suspicion.isTestDue(1)).toBe(false);
    expect(suspicion.rests).toMatchObject([{ scope: {}, until: 10_001, code: 'instance_io_failed' }]);
    expect(suspicion.isSuspectOf(aJob({ key: 'other', workflow: 'any' }), UNKNOWN)).toBe(true);
  });

  it('for one key derives nothing of its scope from failures of another', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob({ key: 'other', workflow: 'a', checkpoint: 'a' }), UNKNOWN, 0);
    suspicion.failed(aJob({ key: 'other', workflow: 'b', checkpoint: 'b' }), UNKNOWN, 0);
    suspicion.failed(aJob(), MODEL, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ workflow: 'text2img', checkpoint: 'xl', key: 'k' }]);
  });

  it('for one key is remembered however much another one sends', () => {
    const suspicion = new Suspicion(LIMITS);
    const job = aJob();
    suspicion.failed(aJob(), MODEL, 0);
    suspicion.failed(job, UNKNOWN, 0);
    for (let n = 0; n < 300; n += 1) {
      suspicion.failed(
        aJob({ key: 'noisy', workflow: `w${n}`, checkpoint: `c${n}` }),
        { ...MODEL, scope: { workflow: `${n}` } },
        0,
      );
    }
    expect(suspicion.permits(aJob(), 0)).toBe('no');
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(true);
  });

  it('does not start when jobs succeed in between', () => {
    const suspicion = new Suspicion(LIMITS);
    for (let n = 0; n < 20; n += 1) {
      suspicion.failed(aJob(), UNKNOWN, 0);
      suspicion.succeeded(aJob(), 0);
    }
    expect(suspicion.rests).toEqual([]);
  });

  it('starts when a job that failed here succeeded elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const job = aJob();
    suspicion.failed(job, UNKNOWN, 0);
    suspicion.confirmed(job.job, 5);
    expect(suspicion.rests).toMatchObject([{ until: 10_005, count: 1 }]);
  });

  it('ends when its jobs failed alike elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const bad = [aJob(), aJob(), aJob()];
    for (const job of bad) suspicion.failed(job, UNKNOWN, 0);
    suspicion.cleared(bad[1]?.job ?? '', 0);
    expect(suspicion.rests).toEqual([]);
  });

  it('ends at once, except for a trial, when an error of a known kind also occurred elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const job = aJob();
    suspicion.failed(job, GPU, 0);
    suspicion.cleared(job.job, 1);
    suspicion.tested(true, 1);
    expect(suspicion.permits(aJob(), 1)).toBe('trial');
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(true);
  });
});

describe('a trial', () => {
  const resting = () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), GPU, 0);
    return suspicion;
  };
  const onlyRest = (suspicion: Suspicion) => {
    expect(suspicion.rests).toHaveLength(1);
    return suspicion.rests[0];
  };

  it('comes after a test prompt, which is due when the rest begins and when it ends', () => {
    const suspicion = resting();
    expect(suspicion.isTestDue(0)).toBe(true);
    suspicion.tested(true, 5);
    expect(suspicion.isTestDue(9_999)).toBe(false);
    expect(suspicion.isTestDue(10_000)).toBe(true);
    expect(suspicion.permits(aJob(), 10_000)).toBe('no');
    expect(suspicion.refusals(10_000)).toEqual([{ key: 'k' }]);
    suspicion.tested(true, 10_000);
    expect(suspicion.isTestDue(10_000)).toBe(false);
    expect(suspicion.permits(aJob(), 10_000)).toBe('trial');
    expect(suspicion.refusals(10_000)).toEqual([]);
  });

  it('is one job alone', () => {
    const suspicion = resting();
    const [trial, other] = [aJob(), aJob()];
    suspicion.tested(true, 10_000);
    expect(suspicion.permits(trial, 9_999)).toBe('no');
    expect(suspicion.permits(trial, 10_000)).toBe('trial');
    suspicion.entered(trial, 10_000);
    expect(suspicion.permits(trial, 10_000)).toBe('trial');
    expect(suspicion.permits(other, 10_000)).toBe('no');
  });

  it('starts a rest twice as long when it fails, up to the longest', () => {
    const suspicion = resting();
    const lengths: number[] = [];
    let now = 10_000;
    for (let n = 0; n < 4; n += 1) {
      const trial = aJob();
      suspicion.tested(true, now);
      suspicion.entered(trial, now);
      suspicion.failed(trial, GPU, now);
      const until = onlyRest(suspicion)?.until ?? 0;
      lengths.push(until - now);
      now = until;
    }
    expect(lengths).toEqual([20_000, 40_000, 60_000, 60_000]);
  });

  it('does not take place when the test prompt after the rest fails, which starts the next rest', () => {
    const suspicion = resting();
    suspicion.observed({ code: 'gpu_failed', error: 'CUDA error' }, 1);
    suspicion.observed({ code: 'gpu_failed', error: 'CUDA error' }, 10_001);
    expect(suspicion.rests).toMatchObject([{ scope: {}, until: 30_001, count: 2 }]);
    expect(suspicion.permits(aJob({ key: 'other' }), 30_000)).toBe('no');
  });

  it('of one key does not keep the instance from other keys when it fails: the next trial is theirs', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.observed({ code: 'gpu_failed', error: 'CUDA error' }, 0);
    suspicion.tested(true, 10_000);
    for (const key of ['k', 'accomplice']) {
      const trial = aJob({ key });
      expect(suspicion.permits(trial, 10_000)).toBe('trial');
      suspicion.entered(trial, 10_000);
      suspicion.failed(trial, GPU, 10_000);
      expect(suspicion.permits(aJob({ key }), 10_000)).toBe('no');
    }
    const theirs = aJob({ key: 'other' });
    expect(suspicion.permits(theirs, 10_000)).toBe('trial');
    suspicion.entered(theirs, 10_000);
    suspicion.succeeded(theirs, 11_000);
    expect(suspicion.altogether).toBeUndefined();
    expect(suspicion.permits(aJob({ key: 'third' }), 11_000)).toBe('yes');
  });

  it('ends the suspicion when it succeeds; a failure soon after continues the row of rests', () => {
    const suspicion = resting();
    const trial = aJob();
    suspicion.tested(true, 10_000);
    suspicion.entered(trial, 10_000);
    suspicion.succeeded(trial, 11_000);
    expect(suspicion.permits(aJob(), 11_000)).toBe('yes');
    expect(suspicion.isSuspectOf(aJob(), UNKNOWN)).toBe(false);
    suspicion.failed(aJob(), GPU, 12_000);
    expect(onlyRest(suspicion)).toMatchObject({ until: 32_000, count: 2 });
    suspicion.succeeded(aJob(), 32_000);
    suspicion.failed(aJob(), GPU, 100_000);
    expect(onlyRest(suspicion)).toMatchObject({ until: 110_000, count: 1 });
  });

  it('is not needed after a restart: the rests end when a test prompt passes, which is due at once', () => {
    const suspicion = resting();
    suspicion.tested(true, 1);
    suspicion.observed({ code: 'gpu_failed', error: 'CUDA error' }, 2);
    suspicion.mayHaveRestarted();
    expect(suspicion.isTestDue(3)).toBe(true);
    suspicion.tested(false, 3);
    expect(suspicion.permits(aJob(), 3)).toBe('no');
    suspicion.tested(true, 4);
    expect(suspicion.rests).toEqual([]);
    expect(suspicion.permits(aJob(), 4)).toBe('yes');
    suspicion.observed({ code: 'gpu_failed', error: 'CUDA error' }, 5);
    expect(suspicion.altogether).toMatchObject({ count: 2 });
  });

  it('is repeated when it ended without a result', () => {
    const suspicion = resting();
    const trial = aJob();
    suspicion.tested(true, 10_000);
    suspicion.entered(trial, 10_000);
    suspicion.left(trial.job);
    expect(suspicion.permits(aJob(), 10_000)).toBe('trial');
  });

  it('is not a job that was queued when the rest began, and such failures do not prolong the rest', () => {
    const suspicion = resting();
    for (let n = 0; n < 8; n += 1) suspicion.failed(aJob(), GPU, 5);
    expect(onlyRest(suspicion)).toMatchObject({ until: 10_000, count: 1 });
  });
});
