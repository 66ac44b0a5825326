import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FleetStatus, Health } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
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

const SECRET = 'correct-horse-battery-staple';
/** Not the checkpoint of the workflows. */
const CHECKPOINT = 'v1-5-pruned-emaonly.safetensors';
const QUICK = { prompt: 'a lighthouse in a storm', lod: 'mid', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };

let dir: string;
let gpus: Gpus;
let stack: TestStack;
let jobs: JobClient;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-instances-'));
  gpus = await createGpus();
  // Sketches go to another pool.
  const workflows = join(dir, 'workflows');
  await cp(join(import.meta.dirname, '../../../workflows'), workflows, { recursive: true });
  const profiles = JSON.parse(await readFile(join(workflows, 'lod-profiles.json'), 'utf8'));
  profiles.sketch.pool = 'fast';
  await writeFile(join(workflows, 'lod-profiles.json'), JSON.stringify(profiles));
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { WORKFLOWS_DIR: workflows, CHECKPOINT } });
  jobs = jobClient(stack.url);
});
afterAll(async () => {
  await stack.close();
  await gpus.close();
  await rm(dir, { recursive: true, force: true });
});

/** A worker with these instances, stopped when the test is over. */
async function start(name: string, instances: readonly object[]): Promise<Service> {
  const file = join(dir, `${name}.json`);
  await writeFile(file, JSON.stringify({ instances }));
  const worker = await stack.startWorker(name, [], { COMFYUI_INSTANCES_FILE: file, GPU_KEY: SECRET });
  onTestFinished(() => worker.stop('SIGKILL'));
  return worker;
}

/** A simulator that requires a secret, and headers with it. */
async function lockedGpu(stepMs = 0): Promise<Simulator> {
  const gpu = await gpus.start(stepMs);
  gpu.set({ requiredHeader: `Authorization: Bearer ${SECRET}` });
  return gpu;
}
const LOGIN = { Authorization: { prefix: 'Bearer ', env: 'GPU_KEY' } };

const answerOf = async (path: string, init: RequestInit = {}) => {
  const answer = await fetch(`${stack.url}${path}`, { ...init, signal: AbortSignal.timeout(60_000) });
  return { status: answer.status, text: await answer.text() };
};

it('drives an instance behind a login under its name, and shows the secret nowhere', async () => {
  const gpu = await lockedGpu();
  const worker = await start('a', [{ name: 'studio', url: gpu.url, headers: LOGIN }]);
  expect(await jobs.ended((await jobs.generate(QUICK)).id)).toMatchObject({
    status: 'succeeded',
    instance: 'a/studio',
    request: { checkpoint: CHECKPOINT },
  });
  expect((await answerOf('/admin/instances/a/studio/drain', { method: 'POST' })).status).toBe(200);
  await until('it is drained', async () => (await answerOf('/health')).text.includes('"drain":"drained"'));
  expect((await answerOf('/admin/instances/a/studio/resume', { method: 'POST' })).status).toBe(200);

  gpu.set({ requiredHeader: 'Authorization: Bearer another' });
  gpu.drop(); // the socket that is open needs no login any more
  const reason =
    'The ComfyUI instance a/studio refused our credentials (401): check headers of a/studio in COMFYUI_INSTANCES_FILE.';
  const instance = async () => {
    const { workers } = JSON.parse((await answerOf('/health')).text) as Health;
    return workers.find(({ name }) => name === 'a')?.instances[0];
  };
  await until('it is down for that', async () => {
    const now = await instance();
    return now?.name === 'a/studio' && now.state === 'down' && now.reason === reason;
  });
  await until('the worker says so', () => worker.output.includes(reason));
  gpu.set({ requiredHeader: `Authorization: Bearer ${SECRET}` });
  await until('it is up again', async () => (await instance())?.state === 'up');

  const shown = await Promise.all(['/health', '/fleet', '/metrics', '/admin'].map((path) => answerOf(path)));
  for (const text of [worker.output, stack.api.output, ...shown.map(({ text }) => text)]) {
    expect(text).not.toContain(SECRET);
  }
});

it('adopts by name what runs in an instance that moved within the file', async () => {
  const [busy, other] = [await lockedGpu(1000), await gpus.start(0)];
  const one = { name: 'one', url: busy.url, headers: LOGIN };
  const two = { name: 'two', url: other.url, pools: ['other'] };
  const first = await start('b', [one, two]);
  const { id } = await jobs.generate(LONG);
  await until('it runs', async () => (await jobs.get(id)).status === 'running');
  await first.stop('SIGKILL');
  await start('b', [two, one]);
  busy.set({ stepMs: 0 });
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1, instance: 'b/one' });
  expect([starts(busy), starts(other)]).toEqual([1, 0]);
});

it('gives each instance the jobs of its own pools', async () => {
  const [quick, large] = [await gpus.start(0), await gpus.start(0)];
  const worker = await start('c', [
    { name: 'quick', url: quick.url, pools: ['fast'] },
    { name: 'large', url: large.url },
  ]);
  const ids = await Promise.all(
    ['sketch', 'mid', 'sketch', 'mid', 'sketch', 'mid'].map(async (lod) => (await jobs.generate({ ...QUICK, lod })).id),
  );
  const ended = await Promise.all(ids.map((id) => jobs.ended(id)));
  expect(ended.map(({ lod, instance }) => `${lod} ${instance}`).sort()).toEqual([
    ...Array(3).fill('mid c/large'),
    ...Array(3).fill('sketch c/quick'),
  ]);
  // The last announcements of the killed worker and of this one may be a second or two old.
  const { workers } = await until('one instance is counted for each pool', async () => {
    const status = JSON.parse((await answerOf('/fleet')).text) as FleetStatus;
    const counts = new Map(status.pools.map(({ name, instances }) => [name, instances]));
    return counts.get('default') === 1 && counts.get('fast') === 1 ? status : undefined;
  });
  expect(workers.find(({ name }) => name === 'c')?.instances.map((instance) => instance.pools)).toEqual([
    ['fast'],
    ['default'],
  ]);
  expect(worker.output).not.toContain('no instance here can run it');
});
