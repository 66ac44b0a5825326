import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  type Service,
  type Simulator,
  startStack,
  starts,
  type TestStack,
  until,
} from '../src/index.js';

const BODY = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64 };

let gpus: Gpus;
let simulator: Simulator;
let stack: TestStack;
let worker: Service;
let jobs: JobClient;

beforeAll(async () => {
  gpus = await createGpus();
  simulator = await gpus.start(2);
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { MAX_CFG: '200' } });
  worker = await stack.startWorker('gpu', [simulator.url]);
  jobs = jobClient(stack.url);
});
afterEach(() => {
  simulator.set({ stepMs: 2 });
  simulator.faults.remove();
});
afterAll(async () => {
  await stack.close();
  await gpus.close();
});

describe('the whole path, api and worker as processes over a simulated ComfyUI', () => {
  it('makes a picture whose PNG contains the prompt and the exact seed', async () => {
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
    const picture = await fetch(`${stack.url}${job.image_url}`);
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

  it('starts from an earlier frame when img2img names it as its source', async () => {
    const first = await jobs.ended((await jobs.generate(BODY)).id);
    const source = `${first.id}_1.png`;
    const job = await jobs.ended((await jobs.img2img({ prompt: 'at dawn', lod: 'final', source, count: 2 })).id);
    expect(job).toMatchObject({ status: 'succeeded', kind: 'img2img', request: { denoise: 0.35, image: { source } } });
    expect(job.images).toHaveLength(2);
  });

  it("fails a job with ComfyUI's reason for refusing its workflow", async () => {
    // The catalogue of nodes and models does not show that a cfg above 100 is refused.
    const job = await jobs.ended((await jobs.generate({ ...BODY, cfg: 150 })).id);
    expect(job).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: { code: 'workflow_rejected', retryable: false },
    });
    expect(job.error?.detail).toContain('cfg');
    expect(job.error?.detail).toContain('150');
  });

  it('gives up a job after three attempts', async () => {
    simulator.faults.add({ kind: 'lost_prompt' });
    const job = await jobs.ended((await jobs.generate(BODY)).id);
    expect(job).toMatchObject({ status: 'failed', attempts: 3, error: { code: 'prompt_lost', retryable: true } });
  });
});

describe('processes that start and stop', () => {
  const runs = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');

  it('lets the running job finish when its worker stops, or gives it back after DRAIN_SECONDS to the next worker, which continues the same rendering', async () => {
    const long = { ...BODY, steps: 150 };
    simulator.set({ stepMs: 1000 });
    const finished = await jobs.generate(long);
    await runs(finished.id);
    const stopped = worker.stop('SIGTERM');
    await until('it is stopping', () => worker.output.includes('"stopping"'));
    simulator.set({ stepMs: 0 });
    await stopped;
    expect(worker.exitCode).toBe(0);
    expect(await jobs.get(finished.id)).toMatchObject({ status: 'succeeded', attempts: 1 });

    simulator.set({ stepMs: 1000 });
    const before = starts(simulator);
    const hasty = await stack.startWorker('gpu', [simulator.url], { DRAIN_SECONDS: '0' });
    const { id } = await jobs.generate(long);
    await runs(id);
    await hasty.stop('SIGTERM');
    worker = await stack.startWorker('gpu', [simulator.url]);
    simulator.set({ stepMs: 0 });
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(starts(simulator)).toBe(before + 1);
  });

  it('keeps jobs queued while ComfyUI is down, and names the instance in /health', async () => {
    const { port } = simulator;
    await simulator.close();
    const health = async () => JSON.stringify(await (await fetch(`${stack.url}/health`)).json());
    await until('/health shows it', async () => (await health()).includes('"down"'));
    expect(await health()).toContain('gpu/1');
    const { id } = await jobs.generate(BODY);
    await until('it waits first in line', async () => (await jobs.get(id)).queue_position === 0);
    expect((await jobs.get(id)).status).toBe('queued');
    simulator = await gpus.start(2, port);
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  });
});
