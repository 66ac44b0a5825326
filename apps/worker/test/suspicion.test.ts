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

describe('suspecting', () => {
  it('begins with the first failure, for other jobs only, and ends with a success of a job alike', () => {
    const suspicion = new Suspicion(LIMITS);
    const first = aJob();
    expect(suspicion.isSuspectOf(first)).toBe(false);
    suspicion.failed(first, UNKNOWN, 0);
    expect(suspicion.isSuspectOf(first)).toBe(false);
    expect(suspicion.isSuspectOf(aJob())).toBe(true);
    suspicion.succeeded(aJob(), 0);
    expect(suspicion.isSuspectOf(aJob())).toBe(false);
  });

  it.each([
    ['of the same workflow', { checkpoint: 'other' }],
    ['with the same checkpoint', { workflow: 'other' }],
  ])('holds for jobs %s although others succeed', (_which, parts) => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), UNKNOWN, 0);
    suspicion.succeeded(aJob({ workflow: 'third', checkpoint: 'third' }), 0);
    expect(suspicion.isSuspectOf(aJob(parts))).toBe(true);
    expect(suspicion.isSuspectOf(aJob({ workflow: 'other', checkpoint: 'other' }))).toBe(false);
  });

  it('is not of jobs that failed alike elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const [one, other] = [aJob(), aJob()];
    suspicion.failed(one, UNKNOWN, 0);
    suspicion.failed(other, UNKNOWN, 0);
    suspicion.cleared(other.job, 0);
    // The first failed with the same words, so it is explained as well.
    expect(suspicion.isSuspectOf(aJob())).toBe(false);
  });
});

describe('resting', () => {
  it('is at once and from all work for an error of the GPU, and for a known kind of one model only for that', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), MODEL, 0);
    expect(suspicion.permits(aJob(), 1)).toBe('no');
    expect(suspicion.permits(aJob({ checkpoint: 'other' }), 1)).toBe('yes');
    suspicion.failed(aJob({ checkpoint: 'other' }), GPU, 2);
    expect(suspicion.permits(aJob({ checkpoint: 'third', workflow: 'third' }), 3)).toBe('no');
    expect(suspicion.altogether).toMatchObject({ code: 'gpu_failed', until: 10_002 });
    // The narrower one is in it.
    expect(suspicion.rests).toHaveLength(1);
  });

  it('widens from a workflow with a checkpoint to the checkpoint, and to all, as others fail', () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), MODEL, 0);
    expect(suspicion.rests[0]?.scope).toEqual({ workflow: 'text2img', checkpoint: 'xl' });
    suspicion.failed(aJob({ workflow: 'img2img' }), MODEL, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ checkpoint: 'xl' }]);
    suspicion.failed(aJob({ workflow: 'third', checkpoint: 'other' }), MODEL, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{}]);
  });

  it('is for the workflow when it fails with several checkpoints and other workflows succeed with them', () => {
    const suspicion = new Suspicion(LIMITS);
    for (const checkpoint of ['a', 'b', 'c']) {
      suspicion.failed(aJob({ workflow: 'custom', checkpoint }), UNKNOWN, 0);
      suspicion.succeeded(aJob({ checkpoint }), 0);
    }
    suspicion.confirmed(`job-${jobs - 1}`, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ workflow: 'custom' }]);
    expect(suspicion.permits(aJob({ checkpoint: 'a' }), 0)).toBe('yes');
  });

  it('comes after three different jobs of an unknown kind of error in a row, and not after one job thrice', () => {
    const suspicion = new Suspicion(LIMITS);
    const first = aJob();
    for (let n = 0; n < 5; n += 1) suspicion.failed(first, UNKNOWN, 0);
    expect(suspicion.rests).toEqual([]);
    suspicion.failed(aJob({ key: 'other' }), UNKNOWN, 0);
    expect(suspicion.rests).toEqual([]);
    suspicion.failed(aJob(), UNKNOWN, 0);
    expect(suspicion.rests.map(({ scope }) => scope)).toEqual([{ workflow: 'text2img', checkpoint: 'xl' }]);
  });

  it('is for one key alone while nobody else failed and nobody has said that it is the instance', () => {
    const suspicion = new Suspicion(LIMITS);
    const bad = [aJob(), aJob(), aJob()];
    for (const job of bad) suspicion.failed(job, UNKNOWN, 0);
    expect(suspicion.permits(aJob(), 0)).toBe('no');
    expect(suspicion.permits(aJob({ key: 'other' }), 0)).toBe('yes');
    suspicion.confirmed(bad[2]?.job ?? '', 0);
    expect(suspicion.permits(aJob({ key: 'other' }), 0)).toBe('no');
  });

  it('does not come of jobs that succeed in between', () => {
    const suspicion = new Suspicion(LIMITS);
    for (let n = 0; n < 20; n += 1) {
      suspicion.failed(aJob(), UNKNOWN, 0);
      suspicion.succeeded(aJob(), 0);
    }
    expect(suspicion.rests).toEqual([]);
  });

  it('begins when a job that failed here succeeded elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const job = aJob();
    suspicion.failed(job, UNKNOWN, 0);
    suspicion.confirmed(job.job, 5);
    expect(suspicion.rests).toMatchObject([{ until: 10_005, count: 1 }]);
  });

  it('ends when the jobs it is for failed alike elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const bad = [aJob(), aJob(), aJob()];
    for (const job of bad) suspicion.failed(job, UNKNOWN, 0);
    suspicion.cleared(bad[1]?.job ?? '', 0);
    expect(suspicion.rests).toEqual([]);
  });

  it('is over at once, but for a trial, when an error of a known kind came alike elsewhere', () => {
    const suspicion = new Suspicion(LIMITS);
    const job = aJob();
    suspicion.failed(job, GPU, 0);
    suspicion.cleared(job.job, 1);
    expect(suspicion.permits(aJob(), 1)).toBe('trial');
    expect(suspicion.isSuspectOf(aJob())).toBe(true);
  });
});

describe('a trial', () => {
  const resting = () => {
    const suspicion = new Suspicion(LIMITS);
    suspicion.failed(aJob(), GPU, 0);
    return suspicion;
  };

  it('is one job alone', () => {
    const suspicion = resting();
    const [trial, other] = [aJob(), aJob()];
    expect(suspicion.permits(trial, 9_999)).toBe('no');
    expect(suspicion.permits(trial, 10_000)).toBe('trial');
    suspicion.entered(trial, 10_000);
    expect(suspicion.permits(trial, 10_000)).toBe('trial');
    expect(suspicion.permits(other, 10_000)).toBe('no');
  });

  it('begins a rest twice as long when it fails, up to the longest', () => {
    const suspicion = resting();
    const lengths: number[] = [];
    let now = 10_000;
    for (let n = 0; n < 4; n += 1) {
      const trial = aJob();
      suspicion.entered(trial, now);
      suspicion.failed(trial, GPU, now);
      const until = suspicion.altogether?.until ?? 0;
      lengths.push(until - now);
      now = until;
    }
    expect(lengths).toEqual([20_000, 40_000, 60_000, 60_000]);
  });

  it('ends the suspicion when it succeeds; a failure soon after goes on where the row of rests was', () => {
    const suspicion = resting();
    const trial = aJob();
    suspicion.entered(trial, 10_000);
    suspicion.succeeded(trial, 11_000);
    expect(suspicion.permits(aJob(), 11_000)).toBe('yes');
    expect(suspicion.isSuspectOf(aJob())).toBe(false);
    suspicion.failed(aJob(), GPU, 12_000);
    expect(suspicion.altogether).toMatchObject({ until: 32_000, count: 2 });
    suspicion.succeeded(aJob(), 32_000);
    suspicion.failed(aJob(), GPU, 100_000);
    expect(suspicion.altogether).toMatchObject({ until: 110_000, count: 1 });
  });

  it('is to be had again when it ended without a result', () => {
    const suspicion = resting();
    const trial = aJob();
    suspicion.entered(trial, 10_000);
    suspicion.left(trial.job);
    expect(suspicion.permits(aJob(), 10_000)).toBe('trial');
  });

  it('is not what was in the queue when the rest began, and such failures make it no longer', () => {
    const suspicion = resting();
    for (let n = 0; n < 8; n += 1) suspicion.failed(aJob(), GPU, 5);
    expect(suspicion.altogether).toMatchObject({ until: 10_000, count: 1 });
  });
});
