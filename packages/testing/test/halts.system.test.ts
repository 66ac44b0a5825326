import type { AdminStatus, FleetStatus } from '@comfy-fleet/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  queueOf,
  startFleet,
  starts,
  type TestFleet,
  until,
} from '../src/index.js';

const QUICK = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };

let gpus: Gpus;
let fleet: TestFleet;
let jobs: JobClient;

beforeAll(async () => {
  gpus = await createGpus();
});
afterAll(() => gpus.close());
beforeEach(async () => {
  fleet = await startFleet({ redisUrl: inject('redisUrl') });
  jobs = jobClient(fleet.url);
});
afterEach(() => fleet.close());

const change = async (path: string) => {
  const answer = await fetch(`${fleet.url}/admin/${path}`, { method: 'POST' });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as AdminStatus;
};
const admin = async () => (await (await fetch(`${fleet.url}/admin`)).json()) as AdminStatus;
const instances = async () => {
  const { workers } = (await (await fetch(`${fleet.url}/fleet`)).json()) as FleetStatus;
  return workers.flatMap((worker) => worker.instances);
};
const generate = async (count: number, body: object) => {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await jobs.generate({ ...body, seed: n })).id);
  return ids;
};

it('lets a drained instance end what it executes, gives what waited there to another, and nothing to it until it is resumed', async () => {
  const [first, second] = [await gpus.start(20), await gpus.start(20)];
  await fleet.startWorker('w1', [first.url]);
  const ids = await generate(2, LONG);
  await until('one executes there and one waits', async () => {
    const { running, pending } = await queueOf(first);
    return running.length === 1 && pending.length === 1;
  });
  expect((await change('instances/w1/1/drain')).instances).toMatchObject([{ name: 'w1/1', state: 'draining' }]);
  await until('nothing waits there', async () => (await queueOf(first)).pending.length === 0);
  expect((await queueOf(first)).running).toHaveLength(1);
  await fleet.startWorker('w2', [second.url]);
  const ended = await Promise.all(ids.map((id) => jobs.ended(id)));
  expect(ended.map(({ status, instance, attempts }) => [status, instance, attempts])).toEqual([
    ['succeeded', 'w1/1', 1],
    ['succeeded', 'w2/1', 1],
  ]);
  await until('it is drained', async () => (await admin()).instances[0]?.state === 'drained');
  const more = await Promise.all((await generate(3, QUICK)).map((id) => jobs.ended(id)));
  expect(more.map(({ instance }) => instance)).toEqual(['w2/1', 'w2/1', 'w2/1']);
  expect(starts(first)).toBe(1);
  await change('instances/w2/1/drain');
  const [waiting = ''] = await generate(1, QUICK);
  await change('instances/w1/1/resume');
  expect((await jobs.ended(waiting)).instance).toBe('w1/1');
});

it('keeps an instance drained when its worker is started again, which is ready all the same', async () => {
  const gpu = await gpus.start(0);
  const worker = await fleet.startWorker('w1', [gpu.url]);
  await until('it is known', async () => (await instances()).length === 1);
  await change('instances/w1/1/drain');
  await worker.stop();
  const [id = ''] = await generate(1, QUICK);
  // Resolves when /readyz answers 200.
  const again = await fleet.startWorker('w1', [gpu.url]);
  await until('it is drained', async () => (await instances())[0]?.drain?.state === 'drained');
  expect((await jobs.get(id)).status).toBe('queued');
  expect(again.output).toContain('instance is to be drained');
  await change('instances/w1/1/resume');
  expect((await jobs.ended(id)).status).toBe('succeeded');
});

it('gives nothing to a drained instance, nor to one of a paused fleet, that has lost what its worker left there', async () => {
  const gpu = await gpus.start(40);
  const worker = await fleet.startWorker('w1', [gpu.url]);
  const [id = ''] = await generate(1, LONG);
  await until('it executes', async () => (await jobs.get(id)).status === 'running');
  await change('instances/w1/1/drain');
  await change('pause');
  await worker.stop('SIGKILL');
  await gpu.close();
  const afresh = await gpus.start(20, gpu.port);
  await fleet.startWorker('w1', [afresh.url]);
  await until('it is in the queue again', async () => (await jobs.get(id)).status === 'queued');
  await until('the instance is drained', async () => (await admin()).instances[0]?.state === 'drained');
  const other = await gpus.start(20);
  await fleet.startWorker('w2', [other.url]);
  expect((await jobs.get(id)).status).toBe('queued');
  await change('resume');
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w2/1' });
  expect([starts(afresh), starts(other)]).toEqual([0, 1]);
});

it('lets what executes end while the fleet is paused, claims nothing else, and goes on at once when it is resumed', async () => {
  const gpu = await gpus.start(20);
  await fleet.startWorker('w1', [gpu.url]);
  const [running = '', ...others] = await generate(3, LONG);
  await until('one waits behind the first', async () => (await queueOf(gpu)).pending.length > 0);
  await change('pause');
  expect((await jobs.ended(running)).status).toBe('succeeded');
  const [later = ''] = await generate(1, QUICK);
  await until('all else is back in the queue', async () => {
    const { running: executing, pending } = await queueOf(gpu);
    return executing.length + pending.length === 0;
  });
  expect(starts(gpu)).toBe(1);
  for (const id of [...others, later]) expect((await jobs.get(id)).status).toBe('queued');
  await change('resume');
  for (const id of [...others, later]) expect((await jobs.ended(id)).status).toBe('succeeded');
});
