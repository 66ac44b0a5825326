import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  lastEnd,
  queueOf,
  type Service,
  type Simulator,
  startStack,
  starts,
  type TestStack,
  until,
} from '../src/index.js';

const QUICK = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };
/** A long job takes minutes, so none ends by itself before it is canceled. */
const STEP_MS = 1000;

let gpus: Gpus;
let gpu: Simulator;
let stack: TestStack;
let jobs: JobClient;

const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const claimed = (id: string) => until('it is claimed', async () => (await jobs.get(id)).queue_position === null);
const quiet = () => until('ComfyUI has nothing to do', async () => isEmpty(await queueOf(gpu)));
const isEmpty = ({ running, pending }: { running: string[]; pending: string[] }) =>
  running.length + pending.length === 0;
const canceled = async (id: string) => {
  const job = await jobs.ended(id);
  expect(job).toMatchObject({ status: 'canceled', images: [], image_url: null, error: null });
  return job;
};

beforeAll(async () => {
  gpus = await createGpus();
  stack = await startStack({ redisUrl: inject('redisUrl') });
  jobs = jobClient(stack.url);
});
afterAll(async () => {
  await stack.close();
  await gpus.close();
});

describe('while its worker lives, a job that is canceled', () => {
  let worker: Service;
  let before: number;

  beforeAll(async () => {
    gpu = await gpus.start(STEP_MS);
    worker = await stack.startWorker('alive', [gpu.url]);
  });
  beforeEach(() => {
    before = starts(gpu);
  });
  afterEach(async () => {
    gpu.set({ stepMs: 0 });
    await quiet();
    gpu.set({ stepMs: STEP_MS });
  });
  afterAll(() => worker.stop('SIGKILL'));

  it('ends at once and is never submitted when it was waiting', async () => {
    const first = await jobs.generate(LONG);
    const second = await jobs.generate(LONG);
    const third = await jobs.generate(LONG);
    await claimed(second.id);
    expect(await jobs.cancel(third.id)).toMatchObject({ status: 'canceled', attempts: 0, started_at: null });
    for (const { id } of [second, first]) {
      await jobs.cancel(id);
      await canceled(id);
    }
    await canceled(third.id);
    expect(starts(gpu)).toBe(before + 1);
  });

  it('is interrupted when it was running, and canceling it twice changes nothing', async () => {
    const { id } = await jobs.generate(LONG);
    await running(id);
    const answers = await Promise.all([jobs.cancel(id), jobs.cancel(id)]);
    for (const { status } of answers) expect(status).toMatch(/^cancel(ing|ed)$/);
    expect(await canceled(id)).toMatchObject({ attempts: 1 });
    expect(isEmpty(await queueOf(gpu))).toBe(true);
    expect(lastEnd(gpu)).toMatchObject({ run: before + 1, outcome: 'interrupted' });
    expect((await jobs.cancel(id)).status).toBe('canceled');
  });

  it('stays succeeded, with its picture, when it had finished', async () => {
    gpu.set({ stepMs: 0 });
    const { id } = await jobs.generate(QUICK);
    const job = await jobs.ended(id);
    expect(await jobs.cancel(id)).toEqual(job);
    expect(job.status).toBe('succeeded');
    expect((await fetch(`${stack.url}${job.image_url}`)).status).toBe(200);
  });
});

describe('while its worker is dead, a job that is canceled', () => {
  it('is interrupted in ComfyUI as soon as the worker is back', async () => {
    gpu = await gpus.start(STEP_MS);
    const worker = await stack.startWorker('back', [gpu.url]);
    const { id } = await jobs.generate(LONG);
    await running(id);
    const behind = await jobs.generate(LONG);
    await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
    await worker.stop('SIGKILL');
    for (const job of [id, behind.id]) expect((await jobs.cancel(job)).status).toBe('canceling');
    const again = await stack.startWorker('back', [gpu.url]);
    onTestFinished(() => again.stop('SIGKILL'));
    expect(await canceled(id)).toMatchObject({ attempts: 1 });
    await canceled(behind.id);
    expect(isEmpty(await queueOf(gpu))).toBe(true);
    // The second job may have begun for a moment: after the first one ended and before it was canceled itself.
    expect(gpu.journal().filter((line) => line.event === 'end' && line.outcome !== 'interrupted')).toEqual([]);
  });
});
