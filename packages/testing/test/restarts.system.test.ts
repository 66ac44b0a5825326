import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import {
  createGpus,
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

let gpus: Gpus;
let gpu: Simulator;
let fleet: TestFleet;
let jobs: JobClient;
let workers: Service[];

const start = async (name: string, url: string, env: Record<string, string> = {}): Promise<Service> => {
  const worker = await fleet.startWorker(name, [url], env);
  workers.push(worker);
  return worker;
};
const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const claimed = (id: string) => until('it is claimed', async () => (await jobs.get(id)).queue_position === null);
/** In the frames folder, which the first picture makes. */
const files = async () => (await readdir(fleet.framesDir).catch(() => [])).filter((name) => name !== 'inputs');
const halves = async () => (await files()).filter((name) => name.endsWith('.tmp'));
const succeedsOnce = async (...ids: string[]) => {
  for (const id of ids) expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(ids.length);
};

beforeAll(async () => {
  gpus = await createGpus();
  fleet = await startFleet({ redisUrl: inject('redisUrl') });
  jobs = jobClient(fleet.url);
});
beforeEach(async () => {
  workers = [];
  gpu = await gpus.start(0);
});
afterEach(() => Promise.all(workers.map((worker) => worker.stop('SIGKILL'))));
afterAll(async () => {
  await fleet.close();
  await gpus.close();
});

it('loses nothing and renders nothing twice when all workers are restarted one after the other under load', async () => {
  const members = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const own = await gpus.start(40);
      return { name, own, worker: await start(name, own.url) };
    }),
  );

  let restarting = true;
  const ended: { status: string; attempts: number }[] = [];
  const callers = Array.from({ length: 9 }, async () => {
    while (restarting) ended.push(await jobs.ended((await jobs.generate(QUICK)).id));
  });
  const restartAll = async () => {
    for (const { name, own, worker } of members) {
      await worker.stop('SIGTERM');
      expect(worker.exitCode).toBe(0);
      await start(name, own.url);
    }
  };
  await restartAll().finally(() => {
    restarting = false;
  });
  await Promise.all(callers);

  expect(ended.length).toBeGreaterThan(callers.length);
  expect(ended.filter(({ status, attempts }) => status !== 'succeeded' || attempts !== 1)).toEqual([]);
  expect(members.reduce((sum, { own }) => sum + starts(own), 0)).toBe(ended.length);
});

it('renders once when the worker was killed while it sent the input picture', async () => {
  const gate = await startGate(gpu.port);
  const worker = await start('w', gate.url);
  gate.shut();
  const { id } = await jobs.img2img({ ...QUICK, image: PICTURE });
  await claimed(id);
  await worker.stop('SIGKILL');
  await gate.close();
  await start('w', gpu.url);
  await succeedsOnce(id);
});

it('renders once when the worker was killed while its submission had not come to ComfyUI', async () => {
  const gate = await startGate(gpu.port);
  const worker = await start('w', gate.url);
  gate.shut();
  const { id } = await jobs.generate(QUICK);
  await until('the submission is written down', async () => (await jobs.get(id)).instance === 'w/1');
  await worker.stop('SIGKILL');
  await gate.close();
  await start('w', gpu.url);
  await succeedsOnce(id);
});

it('renders each once when the worker was killed with one executing and one behind it in ComfyUI', async () => {
  gpu.set({ stepMs: 50 });
  const worker = await start('w', gpu.url);
  const first = await jobs.generate(LONG);
  await running(first.id);
  const behind = await jobs.generate(LONG);
  await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
  await worker.stop('SIGKILL');
  const again = await start('w', gpu.url);
  await until('both are adopted', () => again.output.match(/adopted a submission/g)?.length === 2);
  gpu.set({ stepMs: 0 });
  await succeedsOnce(first.id, behind.id);
});

it('renders once when the execution ended while the worker was dead', async () => {
  gpu.set({ stepMs: 50 });
  const worker = await start('w', gpu.url);
  const { id } = await jobs.generate(LONG);
  await running(id);
  await worker.stop('SIGKILL');
  gpu.set({ stepMs: 0 });
  await until('ComfyUI has ended', () => lastEnd(gpu));
  expect((await jobs.get(id)).status).toBe('running');
  await start('w', gpu.url);
  await succeedsOnce(id);
});

it('renders once and leaves no half of a picture when the worker was killed while it collected', async () => {
  gpu.faults.add({ kind: 'slow_view', ms: 0, times: 1 });
  gpu.faults.add({ kind: 'slow_view', bytesPerSecond: 500, times: 1 });
  const worker = await start('w', gpu.url);
  const { id } = await jobs.generate({ ...QUICK, count: 2 });
  const earlier = await files();
  await until('one picture is stored, one on its way', async () => {
    return (await files()).includes(`${id}_1.png`) && (await halves()).length === 1;
  });
  await worker.stop('SIGKILL');
  expect(await halves()).toHaveLength(1);
  gpu.faults.remove();
  await start('w', gpu.url);
  await succeedsOnce(id);
  expect(await files()).toEqual([...earlier, `${id}_1.png`, `${id}_2.png`].sort());
});

it('renders once and leaves no half of a picture when the worker had to stop while it collected', async () => {
  gpu.faults.add({ kind: 'slow_view', bytesPerSecond: 500, times: 1 });
  const worker = await start('w', gpu.url, { DRAIN_SECONDS: '0' });
  const { id } = await jobs.generate(QUICK);
  await until('the picture is on its way', async () => (await halves()).length === 1);
  await worker.stop('SIGTERM');
  expect(worker.exitCode).toBe(0);
  expect(await halves()).toEqual([]);
  await start('w', gpu.url);
  await succeedsOnce(id);
});
