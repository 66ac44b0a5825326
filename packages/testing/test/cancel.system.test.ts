import { readdir, readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gate,
  type Gpus,
  type JobClient,
  jobClient,
  lastEnd,
  PICTURE,
  queueOf,
  type Service,
  type Simulator,
  startFleet,
  startGate,
  starts,
  type TestFleet,
  until,
} from '../src/index.js';

const QUICK = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };
/** Most jobs of this file take 150 of these. */
const STEP_MS = 40;

let gpus: Gpus;
let gpu: Simulator;
let fleet: TestFleet;
let jobs: JobClient;

const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const claimed = (id: string) => until('it is claimed', async () => (await jobs.get(id)).queue_position === null);
const quiet = () => until('ComfyUI has nothing to do', async () => isEmpty(await queueOf(gpu)));
const isEmpty = ({ running, pending }: { running: string[]; pending: string[] }) =>
  running.length + pending.length === 0;
const picturesOf = async (id: string) =>
  (await readdir(fleet.framesDir).catch(() => [])).filter((name) => name.includes(id));
/** Its worker is to stop it; what that gave back in this very moment, as its ComfyUI does not answer, ends at once. */
const cancelClaimed = async (id: string) => expect(['canceling', 'canceled']).toContain((await jobs.cancel(id)).status);
const canceled = async (id: string) => {
  const job = await jobs.ended(id);
  expect(job).toMatchObject({ status: 'canceled', images: [], image_url: null, error: null });
  return job;
};
/** A prompt of somebody else, in ComfyUI without our doing. */
const foreignPrompt = async (): Promise<string> => {
  const prompt = JSON.parse(await readFile('workflows/text2img.json', 'utf8'));
  Object.assign(prompt[4].inputs, { width: 64, height: 64 });
  const answer = await fetch(`${gpu.url}/prompt`, { method: 'POST', body: JSON.stringify({ prompt }) });
  return ((await answer.json()) as { prompt_id: string }).prompt_id;
};
const endOf = (promptId: string) =>
  until('the foreign prompt has ended', () =>
    gpu.journal().find((line) => line.event === 'end' && line.prompt_id === promptId),
  );

beforeAll(async () => {
  gpus = await createGpus();
  fleet = await startFleet({ redisUrl: inject('redisUrl') });
  jobs = jobClient(fleet.url);
});
afterAll(async () => {
  await fleet.close();
  await gpus.close();
});

describe('while its worker lives, a job that is canceled', () => {
  let gate: Gate;
  let worker: Service;
  let before: number;

  beforeAll(async () => {
    gpu = await gpus.start(STEP_MS);
    gate = await startGate(gpu.port);
    worker = await fleet.startWorker('alive', [gate.url]);
  });
  beforeEach(() => {
    before = starts(gpu);
  });
  afterEach(async () => {
    gate.open();
    gpu.faults.remove();
    gpu.set({ stepMs: 0 });
    await quiet();
    gpu.set({ stepMs: STEP_MS });
  });
  afterAll(async () => {
    await worker.stop('SIGKILL');
    await gate.close();
  });

  it('ends at once and never comes to ComfyUI when it was waiting', async () => {
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

  it('is never submitted when it was claimed and its input picture still on its way to ComfyUI', async () => {
    gate.shut();
    const { id } = await jobs.img2img({ ...LONG, image: PICTURE });
    await claimed(id);
    await cancelClaimed(id);
    gate.open();
    expect(await canceled(id)).toMatchObject({ attempts: 0, started_at: null });
    expect(starts(gpu)).toBe(before);
  });

  it('is stopped when it was canceled while ComfyUI was slow to accept it', async () => {
    gate.shut();
    const { id } = await jobs.generate(LONG);
    await claimed(id);
    await cancelClaimed(id);
    gate.open();
    await canceled(id);
    expect(isEmpty(await queueOf(gpu))).toBe(true);
    expect(gpu.journal().filter(({ event }) => event === 'end')).not.toContainEqual(
      expect.objectContaining({ run: before + 1, outcome: 'success' }),
    );
  });

  it('is taken out of the queue of ComfyUI when it waited there behind another', async () => {
    const first = await jobs.generate(LONG);
    await running(first.id);
    const behind = await jobs.generate(LONG);
    await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
    await jobs.cancel(behind.id);
    expect(await canceled(behind.id)).toMatchObject({ attempts: 0, started_at: null });
    expect((await queueOf(gpu)).pending).toEqual([]);
    expect((await jobs.get(first.id)).status).toBe('running');
    gpu.set({ stepMs: 0 });
    expect(await jobs.ended(first.id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(before + 1);
  });

  it('is interrupted when it was running, and asking twice changes nothing', async () => {
    const { id } = await jobs.generate(LONG);
    await running(id);
    const answers = await Promise.all([jobs.cancel(id), jobs.cancel(id)]);
    for (const { status } of answers) expect(status).toMatch(/^cancel(ing|ed)$/);
    expect(await canceled(id)).toMatchObject({ attempts: 1 });
    expect(isEmpty(await queueOf(gpu))).toBe(true);
    expect(lastEnd(gpu)).toMatchObject({ run: before + 1, outcome: 'interrupted' });
    expect((await jobs.cancel(id)).status).toBe('canceled');
  });

  it('ends without waiting for its pictures, and keeps none, when they were being collected', async () => {
    gpu.set({ stepMs: 0 });
    gpu.faults.add({ kind: 'slow_view', ms: 0, times: 1 });
    gpu.faults.add({ kind: 'slow_view', ms: 20_000, times: 1 });
    const { id } = await jobs.generate({ ...QUICK, count: 3 });
    await until('one is stored', async () => (await picturesOf(id)).some((name) => name.startsWith(id)));
    await jobs.cancel(id);
    await until('it is canceled', async () => (await jobs.get(id)).status === 'canceled');
    await canceled(id);
    await until('no picture is left', async () => (await picturesOf(id)).length === 0);
    expect((await fetch(`${fleet.url}/images/${id}_1.png`)).status).toBe(404);
  });

  it('stays succeeded, with its picture, when it had finished', async () => {
    gpu.set({ stepMs: 0 });
    const { id } = await jobs.generate(QUICK);
    const job = await jobs.ended(id);
    expect(await jobs.cancel(id)).toEqual(job);
    expect(job.status).toBe('succeeded');
    expect((await fetch(`${fleet.url}${job.image_url}`)).status).toBe(200);
  });

  it('ends exactly once, canceled without a picture or succeeded with it, when the cancel races its end', async () => {
    gpu.set({ stepMs: 0 });
    const race = async (afterMs: number) => {
      const { id } = await jobs.generate(QUICK);
      const begun = performance.now();
      await until('it is time', () => performance.now() - begun >= afterMs, { everyMs: 1 });
      const { status } = await jobs.cancel(id);
      const job = await jobs.ended(id);
      expect(status).toMatch(job.status === 'succeeded' ? /^succeeded$/ : /^cancel(ing|ed)$/);
      if (job.status === 'succeeded') {
        expect(await picturesOf(id)).toEqual([`${id}_1.png`]);
      } else {
        expect(job).toMatchObject({ status: 'canceled', images: [] });
        await until('no picture is left', async () => (await picturesOf(id)).length === 0);
      }
      return job.status;
    };
    const begun = performance.now();
    await jobs.ended((await jobs.generate(QUICK)).id);
    const wholeMs = performance.now() - begun;
    const ends: string[] = [];
    for (let n = 0; n < 12; n++) ends.push(await race((wholeMs * n) / 9));
    expect(ends).toContain('canceled');
  });

  it('leaves the prompt of somebody else alone that runs before it', async () => {
    const foreign = await foreignPrompt();
    const { id } = await jobs.generate(LONG);
    await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
    await jobs.cancel(id);
    await canceled(id);
    expect(await queueOf(gpu)).toEqual({ running: [foreign], pending: [] });
    gpu.set({ stepMs: 0 });
    expect(await endOf(foreign)).toMatchObject({ outcome: 'success' });
  });

  it('leaves the prompt of somebody else alone that waits behind it', async () => {
    const { id } = await jobs.generate(LONG);
    await running(id);
    const foreign = await foreignPrompt();
    await jobs.cancel(id);
    await canceled(id);
    expect(await queueOf(gpu)).toEqual({ running: [foreign], pending: [] });
    gpu.set({ stepMs: 0 });
    expect(await endOf(foreign)).toMatchObject({ outcome: 'success' });
  });
});

describe('while its worker is dead, a job that is canceled', () => {
  let workers: Service[];

  const start = async (name: string, url: string, env: Record<string, string> = {}): Promise<Service> => {
    const worker = await fleet.startWorker(name, [url], env);
    workers.push(worker);
    return worker;
  };

  beforeEach(async () => {
    workers = [];
    // Minutes for a job: it is not to end by itself while the worker starts.
    gpu = await gpus.start(1000);
  });
  afterEach(() => Promise.all(workers.map((worker) => worker.stop('SIGKILL'))));

  it('is interrupted in ComfyUI as soon as the worker is back', async () => {
    const worker = await start('back', gpu.url);
    const { id } = await jobs.generate(LONG);
    await running(id);
    const behind = await jobs.generate(LONG);
    await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
    await worker.stop('SIGKILL');
    for (const job of [id, behind.id]) expect((await jobs.cancel(job)).status).toBe('canceling');
    await start('back', gpu.url);
    expect(await canceled(id)).toMatchObject({ attempts: 1 });
    await canceled(behind.id);
    expect(isEmpty(await queueOf(gpu))).toBe(true);
    // The second may have begun for a moment, between the end of the first and its own.
    expect(gpu.journal().filter((line) => line.event === 'end' && line.outcome !== 'interrupted')).toEqual([]);
  });

  it('ends through another worker when its own does not come back within ADOPT_WAIT_SECONDS', async () => {
    const worker = await start('gone', gpu.url);
    const { id } = await jobs.generate(LONG);
    await running(id);
    await worker.stop('SIGKILL');
    expect((await jobs.cancel(id)).status).toBe('canceling');
    const other = await gpus.start(0);
    await start('other', other.url, { ADOPT_WAIT_SECONDS: '1' });
    await canceled(id);
    expect(starts(other)).toBe(0);
  });
});
