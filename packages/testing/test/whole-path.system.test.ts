import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
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
    fleet = await startFleet({ redisUrl: inject('redisUrl') });
    jobs = jobClient(fleet.url);
  });
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
  });
  const starts = () => simulator.journal().filter(({ event }) => event === 'start').length;
  const runs = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');

  it('lets the running job finish when the worker is told to stop', async () => {
    const worker = await fleet.startWorker('gpu', [simulator.url]);
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await runs(id);
    await worker.stop('SIGTERM');
    expect(worker.exitCode).toBe(0);
    expect(await jobs.get(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it('gives the job back after DRAIN_SECONDS, and the next worker goes on with the same rendering', async () => {
    const before = starts();
    const worker = await fleet.startWorker('gpu', [simulator.url], { DRAIN_SECONDS: '0' });
    const { id } = await jobs.generate({ ...BODY, steps: 100 });
    await runs(id);
    await worker.stop('SIGTERM');
    const next = await fleet.startWorker('gpu', [simulator.url]);
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts()).toBe(before + 1);
    await next.stop('SIGTERM');
  });

  it('keeps jobs queued while ComfyUI is down, and says in /health which instance it is', async () => {
    const gone = await startSimulator();
    const { port } = gone;
    await fleet.startWorker('away', [gone.url]);
    await gone.close();
    const health = async () => JSON.stringify(await (await fetch(`${fleet.url}/health`)).json());
    await until('/health shows it', async () => (await health()).includes('"down"'));
    expect(await health()).toContain('away/1');
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
});
