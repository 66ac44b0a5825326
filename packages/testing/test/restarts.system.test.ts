import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest';
import {
  createGpus,
  type Gate,
  type Gpus,
  type JobClient,
  jobClient,
  lastEnd,
  overridesEnv,
  PICTURE,
  queueOf,
  type Service,
  type Simulator,
  startGate,
  startStack,
  starts,
  type TestStack,
  until,
} from '../src/index.js';

const QUICK = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };
/** Until the lock expires, only the next worker of its name gets a dead worker's job. */
const LONG_LOCKS = { LOCK_MS: '600000' };

let gpus: Gpus;
let gpu: Simulator;
let gate: Gate;
let stack: TestStack;
let jobs: JobClient;
/** The worker named w with `gpu` behind `gate`; started again if it is dead. */
let worker: Service | undefined;
let before: number;

const alive = async (): Promise<Service> => {
  worker ??= await stack.startWorker('w', [gate.url]);
  return worker;
};
/** Together with the data that it had sent and the gate held back. */
const kill = async () => {
  await worker?.stop('SIGKILL');
  worker = undefined;
  await gate.close();
  gate = await startGate(gpu.port, Number(new URL(gate.url).port));
};
const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const claimed = (id: string) => until('it is claimed', async () => (await jobs.get(id)).queue_position === null);
/** In the frames folder, which the first picture creates. */
const files = async () => (await readdir(stack.framesDir).catch(() => [])).filter((name) => name !== 'inputs');
const halves = async () => (await files()).filter((name) => name.endsWith('.tmp'));
const succeedsOnce = async (...ids: string[]) => {
  for (const id of ids) expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu) - before).toBe(ids.length);
};

beforeAll(async () => {
  gpus = await createGpus();
  gpu = await gpus.start(0);
  gate = await startGate(gpu.port);
  stack = await startStack({ redisUrl: inject('redisUrl'), env: LONG_LOCKS });
  jobs = jobClient(stack.url);
});
beforeEach(async () => {
  await alive();
  before = starts(gpu);
});
afterEach(() => {
  gate.open();
  gpu.faults.remove();
  gpu.set({ stepMs: 0 });
});
afterAll(async () => {
  await stack.close();
  await gate.close();
  await gpus.close();
});

it('loses nothing and renders nothing twice when all workers are restarted one by one under load', async () => {
  gpu.set({ stepMs: 20 });
  const other = await gpus.start(20);
  let second = await stack.startWorker('second', [other.url]);
  onTestFinished(() => second.stop('SIGKILL'));

  let restarting = true;
  const ended: { status: string; attempts: number }[] = [];
  const callers = Array.from({ length: 6 }, async () => {
    while (restarting) ended.push(await jobs.ended((await jobs.generate(QUICK)).id));
  });
  const inOrder = async (stopped: Service) => {
    await stopped.stop('SIGTERM');
    expect(stopped.exitCode).toBe(0);
  };
  const restartAll = async () => {
    await inOrder(await alive());
    worker = undefined;
    await alive();
    await inOrder(second);
    second = await stack.startWorker('second', [other.url]);
  };
  await restartAll().finally(() => {
    restarting = false;
  });
  await Promise.all(callers);

  expect(ended.length).toBeGreaterThan(callers.length);
  expect(ended.filter(({ status, attempts }) => status !== 'succeeded' || attempts !== 1)).toEqual([]);
  expect(starts(gpu) - before + starts(other)).toBe(ended.length);
});

it('renders once when the worker is killed while it uploads the input picture', async () => {
  gate.shut();
  const { id } = await jobs.img2img({ ...QUICK, image: PICTURE });
  await claimed(id);
  await kill();
  await alive();
  await succeedsOnce(id);
});

it('renders once when the worker is killed before its submission has reached ComfyUI', async () => {
  gate.shut();
  const { id } = await jobs.generate(QUICK);
  await until('the submission is written down', async () => (await jobs.get(id)).instance === 'w/1');
  await kill();
  await alive();
  await succeedsOnce(id);
});

it('adopts the running job and the one behind it as soon as the killed worker restarts, long before their locks expire, and renders each once', async () => {
  gpu.set({ stepMs: 1000 });
  const first = await jobs.generate(LONG);
  await running(first.id);
  const behind = await jobs.generate(LONG);
  await until('it waits behind', async () => (await queueOf(gpu)).pending.length === 1);
  await kill();
  const again = await alive();
  await until('both are adopted', () => again.output.match(/adopted a submission/g)?.length === 2);
  gpu.set({ stepMs: 0 });
  await succeedsOnce(first.id, behind.id);
});

it('renders once when the execution ends while the worker is dead', async () => {
  gpu.set({ stepMs: 1000 });
  const { id } = await jobs.generate(LONG);
  await running(id);
  await kill();
  gpu.set({ stepMs: 0 });
  await until('ComfyUI has ended', async () => (await queueOf(gpu)).running.length === 0);
  expect((await jobs.get(id)).status).toBe('running');
  await alive();
  await succeedsOnce(id);
});

it('renders once and leaves no partial picture when the worker is killed while it collects', async () => {
  gpu.faults.add({ kind: 'slow_view', ms: 0, times: 1 });
  // The first 256 KiB of the picture, from which its size is read, arrive long before its end.
  gpu.faults.add({ kind: 'slow_view', bytesPerSecond: 200_000, times: 1 });
  const earlier = await files();
  const { id } = await jobs.generate({ ...QUICK, width: 768, height: 768, count: 2 });
  await until('one picture is stored, one on its way', async () => {
    return (await files()).includes(`${id}_1.png`) && (await halves()).length === 1;
  });
  await kill();
  expect(await halves()).toHaveLength(1);
  gpu.faults.remove();
  await alive();
  await succeedsOnce(id);
  expect(await files()).toEqual([...earlier, `${id}_1.png`, `${id}_2.png`].sort());
});

it('ends a worker at once at the second signal, of either kind, and loses nothing', async () => {
  gpu.set({ stepMs: 1000 });
  const { id } = await jobs.generate(LONG);
  await running(id);
  const told = await alive();
  const stopped = told.stop('SIGTERM');
  await until('it is stopping', () => told.output.includes('"stopping"'));
  await told.stop('SIGINT');
  await stopped;
  expect(told.exitCode).toBe(1);
  worker = undefined;
  await alive();
  gpu.set({ stepMs: 0 });
  await succeedsOnce(id);
});

it('fails a running job with worker_killed and stops the GPU when its worker died as often as a job may survive', async () => {
  gpu.set({ stepMs: 1000 });
  const { id } = await jobs.generate(LONG);
  await running(id);
  await kill();
  worker = await stack.startWorker('w', [gate.url], overridesEnv({ queue: { maxWorkerDeaths: 1 } }));
  expect(await jobs.ended(id)).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'worker_killed' } });
  await until('it was interrupted', () => lastEnd(gpu)?.outcome === 'interrupted');
  expect(starts(gpu) - before).toBe(1);
  // The next test needs its own patience again.
  await kill();
});
