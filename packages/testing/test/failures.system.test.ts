import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job } from '@comfy-fleet/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  lastEnd,
  PICTURE,
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

let gpus: Gpus;
let fleet: TestFleet;
let jobs: JobClient;

const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const run = async (body: object): Promise<Job> => jobs.ended((await jobs.generate(body)).id);
const picturesOf = async (id: string) =>
  (await readdir(fleet.framesDir).catch(() => [])).filter((name) => name.includes(id));

beforeAll(async () => {
  gpus = await createGpus();
});
afterAll(() => gpus.close());

describe('what goes wrong in ComfyUI', () => {
  let gpu: Simulator;
  let before: number;
  const startsNow = () => starts(gpu) - before;

  beforeAll(async () => {
    gpu = await gpus.start(0);
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    await fleet.startWorker('w', [gpu.url]);
  });
  beforeEach(() => {
    before = starts(gpu);
  });
  afterEach(() => {
    gpu.faults.remove();
    gpu.set({ stepMs: 0 });
  });
  afterAll(() => fleet.close());

  it('fails at once with the id and class of the node and its message when a node raises', async () => {
    gpu.faults.add({ kind: 'node_error', node: 'VAEDecode', exceptionType: 'ValueError', message: 'bad latent' });
    const job = await run(QUICK);
    expect(job).toMatchObject({ status: 'failed', attempts: 1, images: [], error: { code: 'node_execution_error' } });
    expect(job.error).toMatchObject({ node_id: '6', retryable: false });
    expect(job.error?.detail).toContain('VAEDecode');
    expect(job.error?.detail).toContain('bad latent');
    expect(startsNow()).toBe(1);
  });

  it('fails with interrupted, and is not tried again, when somebody else interrupts it in ComfyUI', async () => {
    gpu.set({ stepMs: 20 });
    const { id } = await jobs.generate(LONG);
    await running(id);
    await fetch(`${gpu.url}/interrupt`, { method: 'POST' });
    expect(await jobs.ended(id)).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'interrupted' } });
    expect(startsNow()).toBe(1);
  });

  it('renders again, and says so in its attempts, when ComfyUI has no history of what it ran', async () => {
    gpu.faults.add({ kind: 'lost_history', times: 1 });
    const job = await run(QUICK);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(startsNow()).toBe(2);
  });

  it('renders again when the picture is gone from ComfyUI before it was fetched', async () => {
    gpu.faults.add({ kind: 'slow_view', ms: 1500, times: 1 });
    const { id } = await jobs.generate(QUICK);
    await until('ComfyUI has ended', () => lastEnd(gpu)?.sequence === gpu.journal().length && startsNow() === 1);
    await rm(join(gpu.dir, 'output'), { recursive: true, force: true });
    await mkdir(join(gpu.dir, 'output'));
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await picturesOf(job.id)).toHaveLength(1);
    expect(startsNow()).toBe(2);
  });

  it('sends a prompt once more when the connection broke before ComfyUI took it', async () => {
    gpu.faults.add({ kind: 'reset_before_accepting', times: 1 });
    expect(await run(QUICK)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(startsNow()).toBe(1);
  });

  it('ends a job after its end in ComfyUI when the socket is silent', async () => {
    gpu.faults.add({ kind: 'silent_socket' });
    const job = await run({ ...QUICK, seed: 7 });
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
    const late = Date.parse(job.finished_at ?? '') - (lastEnd(gpu)?.ended_at ?? 0);
    expect(late).toBeGreaterThanOrEqual(0);
  });

  it('begins the next job while the pictures of the one before are slow to come', async () => {
    gpu.faults.add({ kind: 'slow_view', ms: 2000, times: 1 });
    const slow = await jobs.generate(QUICK);
    const next = await jobs.generate(QUICK);
    const { finished_at } = await jobs.ended(slow.id);
    expect(await jobs.ended(next.id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    const second = gpu.journal().findLast(({ event }) => event === 'start');
    expect(second?.started_at).toBeLessThan(Date.parse(finished_at ?? ''));
    expect(startsNow()).toBe(2);
  });

  it('notices that ComfyUI was restarted, and runs its jobs again', async () => {
    gpu.set({ stepMs: 20 });
    const first = await jobs.generate(LONG);
    await running(first.id);
    const behind = await jobs.generate(QUICK);
    gpu.drop();
    await until('it is known', async () => (await jobs.get(first.id)).status === 'queued');
    gpu.set({ stepMs: 0 });
    expect(await jobs.ended(first.id)).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await jobs.ended(behind.id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });
});

describe('what goes wrong in one of two instances', () => {
  let bad: Simulator;
  let good: Simulator;

  beforeAll(async () => {
    [bad, good] = [await gpus.start(0), await gpus.start(0)];
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    const worker = await fleet.startWorker('w', [bad.url, good.url]);
    await until('both are up', () => worker.output.match(/instance is up/g)?.length === 2);
  });
  afterEach(() => bad.faults.remove());
  afterAll(() => fleet.close());

  it('runs on the other one, at no attempt, when the first does not take its prompts', async () => {
    bad.faults.add({ kind: 'reset_before_accepting' });
    const job = await run(QUICK);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1, instance: 'w/2', error: null });
    expect([starts(bad), starts(good)]).toEqual([0, 1]);
  });

  it('renders again on the other one when the first loses its prompts', async () => {
    bad.faults.add({ kind: 'lost_prompt' });
    const job = await run(QUICK);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 2, instance: 'w/2', error: null });
    expect([starts(bad), starts(good)]).toEqual([1, 2]);
  });

  it('runs on the other one, at no attempt, when the first cannot be reached at submission', async () => {
    await bad.close();
    const job = await run(QUICK);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1, instance: 'w/2', error: null });
    expect(starts(good)).toBe(3);
  });
});

describe('what goes wrong beside ComfyUI', () => {
  let gpu: Simulator;
  let workers: Service[];

  const workerOver = async (urls: readonly string[], env: Record<string, string> = {}): Promise<Service> => {
    const worker = await fleet.startWorker('w', urls, env);
    workers.push(worker);
    return worker;
  };
  /** Even root cannot make a folder where a file is. */
  const breakFrames = async () => {
    await rm(fleet.framesDir, { recursive: true, force: true });
    await writeFile(fleet.framesDir, 'a file where the folder was');
  };

  beforeAll(async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
  });
  beforeEach(async () => {
    workers = [];
    gpu = await gpus.start(0);
  });
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop('SIGKILL')));
    await rm(fleet.framesDir, { recursive: true, force: true });
  });
  afterAll(() => fleet.close());

  it('renders once when ComfyUI took the prompt only after the time for its answer was up', async () => {
    const gate = await startGate(gpu.port);
    const worker = await workerOver([gate.url], { COMFYUI_TIMEOUT_MS: '200' });
    gate.shut();
    const { id } = await jobs.generate(QUICK);
    await until('it is out of reach', () => worker.output.includes('instance is down'));
    expect(starts(gpu)).toBe(0);
    gate.open();
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(1);
    await gate.close();
  });

  it('renders once when ComfyUI was out of reach until it had ended', async () => {
    const gate = await startGate(gpu.port);
    const worker = await workerOver([gate.url], { COMFYUI_TIMEOUT_MS: '200' });
    gpu.set({ stepMs: 10 });
    const { id } = await jobs.generate(LONG);
    await running(id);
    gate.shut();
    await until('it is out of reach', () => worker.output.includes('instance is down'));
    await until('ComfyUI has ended', () => lastEnd(gpu));
    expect((await jobs.get(id)).status).toBe('running');
    gate.open();
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(gpu)).toBe(1);
    await gate.close();
  });

  it('fails with input_missing when the picture it starts from is gone', async () => {
    const { id } = await jobs.img2img({ ...QUICK, image: PICTURE });
    await rm(join(fleet.framesDir, 'inputs'), { recursive: true });
    await workerOver([gpu.url]);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'failed', attempts: 0, error: { code: 'input_missing', retryable: false } });
    expect(starts(gpu)).toBe(0);
  });

  it('stores the one rendering later when the frames volume cannot be written for longer than STORE_RETRY_SECONDS', async () => {
    const worker = await workerOver([gpu.url], { STORE_RETRY_SECONDS: '0' });
    gpu.set({ stepMs: 10 });
    const { id } = await jobs.generate(LONG);
    await running(id);
    await breakFrames();
    await until('ComfyUI has ended', () => lastEnd(gpu));
    await until('it is known that none can be stored', () => worker.output.includes('pictures cannot be stored'));
    await rm(fleet.framesDir);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(await picturesOf(job.id)).toHaveLength(1);
    expect(starts(gpu)).toBe(1);
  });

  it('fails with worker_killed, and keeps no picture, when the worker dies at every claim', async () => {
    gpu.set({ stepMs: 50 });
    gpu.faults.add({ kind: 'slow_view', ms: 0, times: 1 });
    gpu.faults.add({ kind: 'slow_view', ms: 10_000, times: 1 });
    const env = { MAX_WORKER_DEATHS: '2' };
    const first = await workerOver([gpu.url], env);
    const { id } = await jobs.generate({ ...LONG, count: 3 });
    await running(id);
    await first.stop('SIGKILL');
    gpu.set({ stepMs: 0 });
    const second = await workerOver([gpu.url], env);
    const stored = async () => (await picturesOf(id)).includes(`${id}_1.png`);
    await until('it has stored a picture', stored);
    await second.stop('SIGKILL');
    await workerOver([gpu.url], env);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'failed', attempts: 1, images: [], error: { code: 'worker_killed' } });
    await until('no picture is left', async () => (await picturesOf(job.id)).length === 0);
    expect(starts(gpu)).toBe(1);
  });

  it('stops the GPU for a job that fails with worker_killed', async () => {
    gpu.set({ stepMs: 50 });
    const env = { MAX_WORKER_DEATHS: '1' };
    const worker = await workerOver([gpu.url], env);
    const { id } = await jobs.generate(LONG);
    await running(id);
    await worker.stop('SIGKILL');
    await workerOver([gpu.url], env);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'worker_killed' } });
    await until('it was interrupted', () => lastEnd(gpu)?.outcome === 'interrupted');
  });
});
