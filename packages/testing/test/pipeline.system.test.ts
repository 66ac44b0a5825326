import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, inject, it } from 'vitest';
import {
  type JobClient,
  jobClient,
  type Simulator,
  startFleet,
  startSimulator,
  type TestFleet,
  until,
} from '../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-pipeline-'));
const LONG = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 150 };
const QUICK = { ...LONG, steps: 4 };

let fleet: TestFleet;
let jobs: JobClient;
let simulators: Simulator[];

const simulator = async (stepMs: number, port = 0): Promise<Simulator> => {
  const started = await startSimulator({
    stepMs,
    port,
    journal: join(folder, `${randomUUID()}.jsonl`),
    previewMethod: 'none',
  });
  simulators.push(started);
  return started;
};
const starts = (of: Simulator) => of.journal().filter(({ event }) => event === 'start').length;
const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const waitingIn = async ({ url }: Simulator): Promise<number> => {
  const queue = (await (await fetch(`${url}/queue`)).json()) as { queue_pending: unknown[] };
  return queue.queue_pending.length;
};

beforeEach(async () => {
  simulators = [];
  fleet = await startFleet({ redisUrl: inject('redisUrl') });
  jobs = jobClient(fleet.url);
});
afterEach(async () => {
  await fleet.close();
  await Promise.all(simulators.map((one) => one.close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('has the next prompt in ComfyUI while one runs, and no more than that', async () => {
  const gpu = await simulator(20);
  await fleet.startWorker('w', [gpu.url]);
  const ids: string[] = [];
  for (let n = 0; n < 4; n++) ids.push((await jobs.generate(LONG)).id);
  await until('one waits behind', async () => (await waitingIn(gpu)) === 1);
  const phases = await Promise.all(ids.map(async (id) => (await jobs.get(id)).queue_position));
  expect(phases).toEqual([null, null, 0, 1]);
  gpu.set({ stepMs: 0 });
  for (const id of ids) expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(4);
});

it('gives every idle instance a job before any gets a second one', async () => {
  const gpus = [await simulator(20), await simulator(20), await simulator(20)];
  await fleet.startWorker(
    'w',
    gpus.map(({ url }) => url),
  );
  const ids = [];
  for (let n = 0; n < 3; n++) ids.push((await jobs.generate(LONG)).id);
  for (const id of ids) await running(id);
  expect(gpus.map(starts)).toEqual([1, 1, 1]);
});

it('moves a job that waits behind another to an instance of the same worker that comes up', async () => {
  const first = await simulator(150);
  const late = await simulator(150);
  await late.close();
  await fleet.startWorker('w', [first.url, late.url]);
  const a = await jobs.generate(LONG);
  await running(a.id);
  const b = await jobs.generate(LONG);
  await until('it waits behind', async () => (await waitingIn(first)) === 1);
  const back = await simulator(0, late.port);
  expect(await jobs.ended(b.id)).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
  expect([starts(first), starts(back)]).toEqual([1, 1]);
  expect((await jobs.get(a.id)).status).toBe('running');
});

it("hands a job that waits behind another over to another worker's idle instance", async () => {
  const first = await simulator(150);
  const second = await simulator(0);
  await fleet.startWorker('a', [first.url]);
  const long = await jobs.generate(LONG);
  await running(long.id);
  const behind = await jobs.generate(LONG);
  await until('it waits behind', async () => (await waitingIn(first)) === 1);
  await fleet.startWorker('b', [second.url]);
  expect(await jobs.ended(behind.id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
  expect([starts(first), starts(second)]).toEqual([1, 1]);
  expect((await jobs.get(long.id)).status).toBe('running');
});

it("leaves a dead worker's rendering to that worker until it is back, and renders it once", async () => {
  const first = await simulator(20);
  const second = await simulator(20);
  const a = await fleet.startWorker('a', [first.url]);
  const { id } = await jobs.generate(LONG);
  await running(id);
  await a.stop('SIGKILL');
  await fleet.startWorker('b', [second.url]);
  // Only b can prove itself alive, by doing something else meanwhile.
  const other = await jobs.generate(QUICK);
  expect(await jobs.ended(other.id)).toMatchObject({ instance: 'b/1' });
  await fleet.startWorker('a', [first.url]);
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'a/1', attempts: 1 });
  expect([starts(first), starts(second)]).toEqual([1, 1]);
});

it('renders it again elsewhere when its worker stays away longer than ADOPT_WAIT_SECONDS', async () => {
  const first = await simulator(20);
  const second = await simulator(0);
  const a = await fleet.startWorker('a', [first.url]);
  const { id } = await jobs.generate(LONG);
  await running(id);
  await a.stop('SIGKILL');
  await fleet.startWorker('b', [second.url], { ADOPT_WAIT_SECONDS: '1' });
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 2 });
});

it('frees the memory and tries once more on the same instance after an out-of-memory error', async () => {
  const gpu = await simulator(0);
  await fleet.startWorker('w', [gpu.url]);
  gpu.faults.add({ kind: 'out_of_memory', clearedByFree: true });
  expect(await jobs.ended((await jobs.generate(QUICK)).id)).toMatchObject({ status: 'succeeded', attempts: 2 });
});

it('fails with out_of_memory when freeing did not help and there is no larger GPU', async () => {
  const gpu = await simulator(0);
  await fleet.startWorker('w', [gpu.url]);
  gpu.faults.add({ kind: 'out_of_memory' });
  const job = await jobs.ended((await jobs.generate(QUICK)).id);
  expect(job).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'out_of_memory' } });
});

it('goes to the instance with most memory after the second out-of-memory error', async () => {
  const small = await simulator(0);
  const large = await startSimulator({ vramBytes: 2 * small.settings.vramBytes });
  simulators.push(large);
  small.faults.add({ kind: 'out_of_memory' });
  await fleet.startWorker('w', [small.url, large.url]);
  await until('both are up', async () => {
    const health = await (await fetch(`${fleet.url}/health`)).text();
    return health.match(/"state":"up"/g)?.length === 2;
  });
  const job = await jobs.ended((await jobs.generate(QUICK)).id);
  expect(job).toMatchObject({ status: 'succeeded', attempts: 3, instance: 'w/2' });
});

it('fails with instance_killed when two instances died under its execution', async () => {
  const gpu = await simulator(0);
  await fleet.startWorker('w', [gpu.url]);
  gpu.faults.add({ kind: 'crash' });
  const job = await jobs.ended((await jobs.generate(LONG)).id);
  expect(job).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'instance_killed' } });
});

it('interrupts an execution that takes longer than its level of detail allows, and fails it with timed_out', async () => {
  const workflows = join(folder, 'workflows');
  cpSync('workflows', workflows, { recursive: true });
  const profiles = join(workflows, 'lod-profiles.json');
  writeFileSync(profiles, readFileSync(profiles, 'utf8').replace('"deadline_seconds": 120', '"deadline_seconds": 1'));
  const gpu = await simulator(0);
  await fleet.startWorker('w', [gpu.url], { WORKFLOWS_DIR: workflows });
  gpu.faults.add({ kind: 'hang', times: 1 });
  const job = await jobs.ended((await jobs.generate(QUICK)).id);
  expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'timed_out' } });
  expect(gpu.journal().at(-1)).toMatchObject({ event: 'end', outcome: 'interrupted' });
  expect(await jobs.ended((await jobs.generate(QUICK)).id)).toMatchObject({ status: 'succeeded' });
});

it('ends a worker at once that is told to stop a second time, by whichever signal, and loses nothing', async () => {
  const gpu = await simulator(1000);
  const a = await fleet.startWorker('a', [gpu.url]);
  const { id } = await jobs.generate(LONG);
  await running(id);
  const stopped = a.stop('SIGTERM');
  await until('it is stopping', () => a.output.includes('"stopping"'));
  await a.stop('SIGINT');
  await stopped;
  expect(a.exitCode).toBe(1);
  await fleet.startWorker('a', [gpu.url]);
  gpu.set({ stepMs: 0 });
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
});

it('takes back at once what waits behind another when its worker is told to stop', async () => {
  const first = await simulator(20);
  const second = await simulator(0);
  const a = await fleet.startWorker('a', [first.url]);
  const long = await jobs.generate(LONG);
  await running(long.id);
  const behind = await jobs.generate(LONG);
  await until('it waits behind', async () => (await waitingIn(first)) === 1);
  const stopped = a.stop('SIGTERM');
  await until('it was taken out', async () => (await waitingIn(first)) === 0);
  await fleet.startWorker('b', [second.url]);
  expect(await jobs.ended(behind.id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
  await stopped;
  expect(await jobs.get(long.id)).toMatchObject({ status: 'succeeded', instance: 'a/1', attempts: 1 });
});
