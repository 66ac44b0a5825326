import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type JobClient,
  jobClient,
  type Simulator,
  startFleet,
  startSimulator,
  type TestFleet,
  until,
} from '../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-whole-path-'));
const journalFile = () => join(folder, `${randomUUID()}.jsonl`);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BODY = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64 };

describe('the whole path, api and worker as processes over a simulated ComfyUI', () => {
  let fleet: TestFleet;
  let simulator: Simulator;
  let jobs: JobClient;

  beforeAll(async () => {
    simulator = await startSimulator({ stepMs: 2, journal: journalFile(), previewMethod: 'none' });
    fleet = await startFleet({ redisUrl: inject('redisUrl'), env: { MAX_CFG: '200' } });
    await fleet.startWorker('gpu', [simulator.url]);
    jobs = jobClient(fleet.url);
  });
  afterEach(() => {
    simulator.set({ stepMs: 2 });
    simulator.faults.remove();
  });
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
  });

  it('makes a picture whose PNG carries the prompt and the exact seed when a prompt is posted', async () => {
    const { id } = await jobs.generate({ ...BODY, seed: '18446744073709551615', metadata: { order: '7' } });
    const job = await jobs.ended(id);
    expect(job).toMatchObject({
      status: 'succeeded',
      seed: '18446744073709551615',
      steps: 8,
      instance: 'gpu/1',
      attempts: 1,
      metadata: { order: '7' },
      progress: { fraction: 1 },
    });
    expect(job.images).toHaveLength(1);
    expect(job.images[0]).toMatchObject({ width: 64, height: 64, content_type: 'image/png' });
    const picture = await fetch(`${fleet.url}${job.image_url}`);
    expect(picture.status).toBe(200);
    const text = Buffer.from(await picture.arrayBuffer()).toString('latin1');
    expect(text).toContain('a lighthouse in a storm');
    expect(text).toMatch(/"seed": ?18446744073709551615[,}]/);
  });

  it('makes as many pictures as count says', async () => {
    const job = await jobs.ended((await jobs.generate({ ...BODY, count: 3 })).id);
    expect(job.images.map(({ image_url }) => image_url)).toEqual([1, 2, 3].map((n) => `/images/${job.id}_${n}.png`));
    expect(new Set(job.images.map(({ sha256 }) => sha256)).size).toBe(3);
  });

  it('starts from a frame made here when img2img names it as its source', async () => {
    const first = await jobs.ended((await jobs.generate(BODY)).id);
    const source = `${first.id}_1.png`;
    const job = await jobs.ended((await jobs.img2img({ prompt: 'at dawn', lod: 'final', source, count: 2 })).id);
    expect(job).toMatchObject({ status: 'succeeded', kind: 'img2img', request: { denoise: 0.35, image: { source } } });
    expect(job.images).toHaveLength(2);
  });

  it('interrupts ComfyUI and ends as canceled when a running job is canceled', async () => {
    simulator.set({ stepMs: 100 });
    const { id } = await jobs.generate({ ...BODY, steps: 150 });
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    expect((await jobs.cancel(id)).status).toMatch(/^cancel(ing|ed)$/);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'canceled', images: [], error: null });
    expect(simulator.journal().at(-1)).toMatchObject({ event: 'end', outcome: 'interrupted' });
    expect((await jobs.cancel(id)).status).toBe('canceled');
  });

  it('never runs a job that was canceled while it waited', async () => {
    simulator.set({ stepMs: 30 });
    const running = await jobs.generate({ ...BODY, steps: 20 });
    const waiting = await jobs.generate({ ...BODY, steps: 20 });
    await jobs.cancel(waiting.id);
    expect(await jobs.ended(waiting.id)).toMatchObject({ status: 'canceled', attempts: 0 });
    await jobs.ended(running.id);
    const last = await jobs.ended((await jobs.generate(BODY)).id);
    expect(last.status).toBe('succeeded');
    expect(await jobs.get(waiting.id)).toMatchObject({ status: 'canceled', attempts: 0, started_at: null });
  });

  it('fails a job with what ComfyUI has against its workflow', async () => {
    // A cfg above 100 is nothing that the list of an instance's nodes and models would tell.
    const job = await jobs.ended((await jobs.generate({ ...BODY, cfg: 150 })).id);
    expect(job).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: { code: 'workflow_rejected', retryable: false },
    });
    expect(job.error?.detail).toContain('cfg');
    expect(job.error?.detail).toContain('150');
  });

  it('fails a job with the node that raised, without trying again', async () => {
    simulator.faults.add({ kind: 'node_error', node: 'KSampler', message: 'mat1 and mat2 do not fit', times: 1 });
    const job = await jobs.ended((await jobs.generate(BODY)).id);
    expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'node_execution_error' } });
    expect(job.error?.node_id).toMatch(/./);
    expect(job.error?.detail).toContain('mat1 and mat2 do not fit');
  });

  it('finishes a job whose socket is silent', async () => {
    simulator.faults.add({ kind: 'silent_socket', times: 1 });
    expect(await jobs.ended((await jobs.generate(BODY)).id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it.each(['error_after_accepting', 'reset_after_accepting'] as const)(
    'renders once when the answer to a submission is lost (%s)',
    async (kind) => {
      const before = simulator.journal().filter(({ event }) => event === 'start').length;
      simulator.faults.add({ kind, times: 1 });
      expect(await jobs.ended((await jobs.generate(BODY)).id)).toMatchObject({ status: 'succeeded', attempts: 1 });
      expect(simulator.journal().filter(({ event }) => event === 'start')).toHaveLength(before + 1);
    },
  );

  it('runs a job again when ComfyUI forgot it in the middle, and says so in its attempts', async () => {
    simulator.faults.add({ kind: 'lost_prompt', times: 1 });
    expect(await jobs.ended((await jobs.generate(BODY)).id)).toMatchObject({ status: 'succeeded', attempts: 2 });
  });

  it('gives a job up after three attempts', async () => {
    simulator.faults.add({ kind: 'lost_prompt' });
    const job = await jobs.ended((await jobs.generate(BODY)).id);
    expect(job).toMatchObject({ status: 'failed', attempts: 3, error: { code: 'prompt_lost', retryable: true } });
  });
});

describe('processes that come and go', () => {
  let simulator: Simulator;
  let fleet: TestFleet;
  let jobs: JobClient;

  beforeAll(async () => {
    simulator = await startSimulator({ stepMs: 20, journal: journalFile(), previewMethod: 'none' });
  });
  afterEach(async () => {
    await fleet.close();
  });
  afterAll(async () => {
    await simulator.close();
  });
  const starts = () => simulator.journal().filter(({ event }) => event === 'start').length;

  it('adopts the running prompt when a killed worker is started again, and renders it once', async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    const before = starts();
    const worker = await fleet.startWorker('gpu', [simulator.url]);
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    await worker.stop('SIGKILL');
    await fleet.startWorker('gpu', [simulator.url]);
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts()).toBe(before + 1);
  });

  it('lets the running job finish when the worker is told to stop', async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    const worker = await fleet.startWorker('gpu', [simulator.url]);
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    await worker.stop('SIGTERM');
    expect(worker.exitCode).toBe(0);
    expect(await jobs.get(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it('gives the job back after DRAIN_SECONDS, and the next worker goes on with the same rendering', async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    const before = starts();
    const worker = await fleet.startWorker('gpu', [simulator.url], { DRAIN_SECONDS: '0' });
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    await worker.stop('SIGTERM');
    await fleet.startWorker('gpu', [simulator.url]);
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts()).toBe(before + 1);
  });

  it('runs the job again when ComfyUI is restarted under it', async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    await fleet.startWorker('gpu', [simulator.url]);
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await until('it runs', async () => (await jobs.get(id)).status === 'running');
    await simulator.drop();
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 2 });
  });

  it('keeps jobs queued while ComfyUI is down, and says in /health which instance it is', async () => {
    const gone = await startSimulator();
    const { port } = gone;
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    await fleet.startWorker('gpu', [gone.url]);
    await gone.close();
    const health = async () => (await fetch(`${fleet.url}/health`)).json();
    await until('/health shows it', async () => JSON.stringify(await health()).includes('"down"'));
    expect(JSON.stringify(await health())).toContain('gpu/1');
    const { id } = await jobs.generate(BODY);
    await until('it waits first in line', async () => (await jobs.get(id)).queue_position === 0);
    expect((await jobs.get(id)).status).toBe('queued');
    const back = await startSimulator({ port });
    try {
      expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    } finally {
      await back.close();
    }
  });

  it('fails the job with storage_failed, and serves nothing of it, when its pictures cannot be written', async () => {
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
    await fleet.startWorker('gpu', [simulator.url], { STORE_RETRY_SECONDS: '0' });
    await rm(fleet.framesDir, { recursive: true, force: true });
    await writeFile(fleet.framesDir, 'a file where the folder was');
    const job = await jobs.ended((await jobs.generate(BODY)).id);
    expect(job).toMatchObject({ status: 'failed', images: [], error: { code: 'storage_failed', retryable: true } });
    await rm(fleet.framesDir);
    expect((await fetch(`${fleet.url}/images/${job.id}_1.png`)).status).toBe(404);
  });
});
