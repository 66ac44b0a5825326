import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  createGpus,
  type Gate,
  type Gpus,
  type JobClient,
  jobClient,
  overridesEnv,
  type RedisServer,
  type Service,
  type Simulator,
  startGate,
  startRedisServer,
  startStack,
  starts,
  type TestStack,
  until,
} from '../src/index.js';
import { askRedis } from '../src/redis-server.js';

const JOB = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 40 };
const LOCKS = { LOCK_MS: '1000' };
/** Longer than the locks of work items last here. */
const AWAY_MS = 1500;
const MIB = 1024 * 1024;
/** At 10 ms a key they take 20 s to load. */
const FILL = `EVAL "for n = 1, 2000 do redis.call('SET', 'filler:' .. n, string.rep('x', 200)) end" 0`;

let gpus: Gpus;
let gpu: Simulator;
let gate: Gate;
let redis: RedisServer;
let stack: TestStack;
let jobs: JobClient;
let worker: Service | undefined;
let dispatcher: Service | undefined;

const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const signal = async (name: NodeJS.Signals) => {
  process.kill(redis.pid, name);
};
const allJobs = async () => ((await (await fetch(`${stack.url}/jobs`)).json()) as { data: { id: string }[] }).data;
const post = () =>
  fetch(`${stack.url}/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(JOB),
    signal: AbortSignal.timeout(60_000),
  });
const tell = (line: string) => askRedis(redis, line);

/** Makes the next start of Redis load slowly, key by key. */
async function fillFile(): Promise<void> {
  await tell(FILL);
  await tell('BGREWRITEAOF');
  await until('the file is written', async () =>
    /aof_rewrite_in_progress:0\s+aof_rewrite_scheduled:0/.test(await tell('INFO persistence')),
  );
  // In µs.
  await tell('CONFIG SET key-load-delay 10000');
  await tell('CONFIG REWRITE');
}

beforeAll(async () => {
  gpus = await createGpus();
  gpu = await gpus.start(1000);
  gate = await startGate(gpu.port);
  // It also answers while loading.
  redis = await startRedisServer({ config: ['loading-process-events-interval-bytes 1024'] });
  const env = {
    ...LOCKS,
    REDIS_TIMEOUT_MS: '3000',
    DRAIN_SECONDS: '3600',
    // A test makes PNGs larger, which cannot be done with what is saved fast.
    ...overridesEnv({ queue: { sweepSeconds: 1 }, worker: { announceSeconds: 1, fastSaveBelowMs: 0 } }),
  };
  stack = await startStack({ redisUrl: redis.url, env });
  jobs = jobClient(stack.url);
});
beforeEach(async () => {
  gpu.set({ stepMs: 1000 });
  // A test may have stopped them.
  if (dispatcher?.exitCode !== null) dispatcher = await stack.startDispatcher();
  if (worker?.exitCode !== null) worker = await stack.startWorker('w', [gate.url]);
});
afterAll(async () => {
  await stack.close();
  await redis.close();
  await gate.close();
  await gpus.close();
});

let loaded: Promise<void>;
const absences: { how: string; leave(): Promise<void>; comeBack(): Promise<void> }[] = [
  { how: 'is stopped', leave: () => redis.stop(), comeBack: () => redis.restart() },
  {
    how: 'is loading its file',
    leave: async () => {
      await fillFile();
      await redis.stop();
      loaded = redis.restart();
      await until('it says so', async () => (await tell('GET x')).startsWith('-LOADING'));
    },
    comeBack: async () => {
      await tell('CONFIG SET key-load-delay 0');
      await loaded;
      await tell('CONFIG REWRITE');
    },
  },
  { how: 'hangs', leave: () => signal('SIGSTOP'), comeBack: () => signal('SIGCONT') },
];

it.each(absences)(
  'renders on while Redis $how, refuses new jobs, and ends its own when it is back',
  async (absence) => {
    const earlier = { ids: (await allJobs()).map((job) => job.id), journal: gpu.journal().length };
    const since = (event: string) =>
      gpu
        .journal()
        .slice(earlier.journal)
        .filter((line) => line.event === event).length;
    const { id } = await jobs.generate(JOB);
    await running(id);
    const left = performance.now();
    await absence.leave();
    gpu.set({ stepMs: 50 });
    const refused = await post();
    expect(refused.status).toBe(503);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await refused.json()).toMatchObject({ code: 'queue_unavailable', status: 503 });
    await until('ComfyUI has ended', () => since('end') === 1);
    await until('the locks have lapsed', () => performance.now() - left > AWAY_MS);
    await absence.comeBack();
    await until('the api is ready', async () => (await fetch(`${stack.url}/readyz`)).status === 200);
    const job = await jobs.ended(id);
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
    // A hanging Redis executes its commands when it continues, as the refusal says.
    const made = (await allJobs()).filter((other) => !earlier.ids.includes(other.id));
    for (const other of made) await jobs.ended(other.id);
    expect(since('start')).toBe(made.length);
    expect(made.length).toBeLessThanOrEqual(absence.how === 'hangs' ? 2 : 1);
    expect((await fetch(`${stack.url}${job.image_url}`)).status).toBe(200);
    expect(worker?.exitCode).toBeNull();
    gpu.set({ stepMs: 0 });
    expect(await jobs.ended((await jobs.generate(JOB)).id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  },
);

it('needs no memory in proportion to the pictures that it fetches', async () => {
  const peakMemory = async () => {
    const status = await readFile(`/proc/${worker?.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  };
  const output = join(gpu.dir, 'output');
  /** A PNG may have data after its end, which makes it large without drawing. */
  const fetchPictures = async (count: number, bytes: number) => {
    // The pictures are not requested before they are large.
    gpu.set({ stepMs: 1000 });
    const before = starts(gpu);
    const { id } = await jobs.generate({ ...JOB, count });
    await until('ComfyUI executes', () => starts(gpu) > before);
    gate.shut();
    gpu.set({ stepMs: 0 });
    await until('ComfyUI has ended', () => gpu.journal().at(-1)?.event === 'end');
    for (const name of await readdir(output)) await truncate(join(output, name), bytes);
    gate.open();
    const { images } = await jobs.ended(id);
    expect(images.map((image) => image.bytes)).toEqual(Array.from({ length: count }, () => bytes));
  };
  await fetchPictures(2, 8 * MIB);
  const before = await peakMemory();
  await fetchPictures(1, 80 * MIB);
  const growth = (await peakMemory()) - before;
  expect(growth).toBeLessThan(60 * MIB);
});

it('that stays away does not delay a worker that stops with a running job: the next worker continues it', async () => {
  // The job runs until Redis is down.
  gpu.set({ stepMs: 2000 });
  const { id } = await jobs.generate(JOB);
  await running(id);
  await redis.stop('SIGKILL');
  gpu.set({ stepMs: 0 });
  const told = [worker, dispatcher] as Service[];
  await Promise.all(told.map((service) => service.stop()));
  // The dispatcher has no work: it is chance whether it still had to ask Redis for anything.
  expect(told[0]?.output).toContain('Redis has not answered for 10 s');
  await redis.restart();
  worker = await stack.startWorker('w', [gate.url]);
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
});
