import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FleetStatus, newId, type Problem } from '@comfy-fleet/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  lastEnd,
  PICTURE,
  queueOf,
  startFleet,
  starts,
  type TestFleet,
  type TestFleetOptions,
  until,
} from '../src/index.js';

const QUICK = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 4 };
const LONG = { ...QUICK, steps: 150 };

const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-fleet-'));
let gpus: Gpus;
let fleet: TestFleet;
let jobs: JobClient;

const open = async (env: TestFleetOptions['env'] = {}) => {
  fleet = await startFleet({ redisUrl: inject('redisUrl'), env });
  jobs = jobClient(fleet.url);
};
const status = async () => (await (await fetch(`${fleet.url}/fleet`)).json()) as FleetStatus;
const instances = async () => (await status()).workers.flatMap((worker) => worker.instances);
const running = (id: string) => until('it runs', async () => (await jobs.get(id)).status === 'running');
const refusal = async (body: object): Promise<Problem | undefined> => {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${fleet.url}/generate`, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.status === 422 ? ((await answer.json()) as Problem) : undefined;
};

beforeAll(async () => {
  gpus = await createGpus();
});
afterAll(async () => {
  await gpus.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => open());
afterEach(() => fleet.close());

it('runs a level of detail in the pool that its profile names, and a worker takes the jobs of its pools only', async () => {
  const workflows = join(folder, 'pools');
  cpSync('workflows', workflows, { recursive: true });
  const file = join(workflows, 'lod-profiles.json');
  const profiles = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  writeFileSync(file, JSON.stringify({ ...profiles, sketch: { ...profiles.sketch, pool: 'small' } }));
  await fleet.close();
  await open({ WORKFLOWS_DIR: workflows });
  const [small, large, both] = [await gpus.start(0), await gpus.start(0), await gpus.start(0)];
  const first = await fleet.startWorker('small', [small.url], { WORKER_POOLS: 'small' });
  await fleet.startWorker('large', [large.url]);
  const ids: string[] = [];
  for (const lod of ['sketch', 'mid', 'sketch', 'mid']) ids.push((await jobs.generate({ ...QUICK, lod })).id);
  const ended = await Promise.all(ids.map((id) => jobs.ended(id)));
  expect(ended.map(({ instance }) => instance)).toEqual(['small/1', 'large/1', 'small/1', 'large/1']);
  await first.stop();
  const waiting = await jobs.generate(QUICK);
  await jobs.ended((await jobs.generate({ ...QUICK, lod: 'mid' })).id);
  expect((await jobs.get(waiting.id)).status).toBe('queued');
  await fleet.startWorker('both', [both.url], { WORKER_POOLS: 'default, small' });
  expect(await jobs.ended(waiting.id)).toMatchObject({ status: 'succeeded', instance: 'both/1' });
});

it('runs a job on the instance that has its checkpoint, names what the other lacks, and refuses what none has', async () => {
  const [poor, rich] = [await gpus.start(0), await gpus.start(0)];
  rich.set({ checkpoints: [...rich.settings.checkpoints, 'fox.safetensors'] });
  await fleet.startWorker('w', [poor.url, rich.url]);
  const lacks = { instance: 'w/1', node: 'CheckpointLoaderSimple', input: 'ckpt_name', lacks: ['fox.safetensors'] };
  await until('the mismatch is shown', async () => (await status()).pools[0]?.mismatches.length === 1);
  expect((await status()).pools[0]?.mismatches).toEqual([lacks]);
  for (let n = 0; n < 3; n++) {
    const job = await jobs.ended((await jobs.generate({ ...QUICK, checkpoint: 'fox.safetensors' })).id);
    expect(job).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
  }
  await until('all are counted', async () => (await instances())[1]?.jobs_done === 3);
  expect((await instances())[1]).toMatchObject({ checkpoint: 'fox.safetensors', jobs_failed: 0 });
  const refused = await refusal({ ...QUICK, checkpoint: 'wolf.safetensors' });
  expect(refused).toMatchObject({ code: 'no_able_instance', errors: [{ pointer: '/checkpoint' }] });
  expect(refused?.errors?.[0]?.detail).toContain('fox.safetensors');
});

it('sends a job to an able instance when the one that had its checkpoint lost it since', async () => {
  const [first, second] = [await gpus.start(0), await gpus.start(0)];
  const all = first.settings.checkpoints;
  await fleet.startWorker('w', [first.url, second.url]);
  const bothSaid = async () =>
    (await refusal({ ...QUICK, checkpoint: 'x' })) !== undefined &&
    (await instances()).every(({ state }) => state === 'up');
  await until('both said what they have', bothSaid, { everyMs: 500 });
  first.set({ checkpoints: all.slice(1) });
  const job = await jobs.ended((await jobs.generate({ ...QUICK, checkpoint: all[0] as string })).id);
  expect(job).toMatchObject({ status: 'succeeded', instance: 'w/2', attempts: 1 });
});

it('shows what each instance runs and what waits behind it', async () => {
  const gpu = await gpus.start(50);
  await fleet.startWorker('w', [gpu.url]);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await jobs.generate(LONG)).id);
  await until('one runs and one waits', async () => {
    const [instance] = await instances();
    return instance?.running?.job === ids[0] && instance?.waiting[0] === ids[1];
  });
  const { pools, workers } = await status();
  expect(pools).toMatchObject([{ name: 'default', open: 3, waiting: 1, running: 1, instances: 1 }]);
  expect(workers[0]?.instances[0]?.busy_share).toBeGreaterThan(0);
  const cancels = ids.map((id) => jobs.cancel(id));
  await Promise.all(cancels);
});

it('has the jobs of a worker that was killed in hand again as soon as that worker starts, long before their locks lapse', async () => {
  await fleet.close();
  await open({ LOCK_MS: '600000', STALLED_CHECK_MS: '600000' });
  const gpu = await gpus.start(20);
  const before = await fleet.startWorker('w', [gpu.url]);
  const [first, second] = [await jobs.generate(LONG), await jobs.generate(QUICK)];
  await until('one waits behind the other', async () => (await queueOf(gpu)).pending.length === 1);
  await before.stop('SIGKILL');
  await fleet.startWorker('w', [gpu.url]);
  for (const { id } of [first, second]) {
    expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/1', attempts: 1 });
  }
  expect(starts(gpu)).toBe(2);
});

it('renders a job elsewhere whose instance was taken out of the settings of its worker', async () => {
  const [kept, removed] = [await gpus.start(0), await gpus.start(1000)];
  const closed = await gpus.start(0);
  await closed.close();
  const before = await fleet.startWorker('w', [closed.url, removed.url]);
  const { id } = await jobs.generate(LONG);
  await running(id);
  await before.stop('SIGKILL');
  await fleet.startWorker('w', [kept.url]);
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'w/1', attempts: 2 });
});

it('stops what was rendered again elsewhere while its worker was away, as soon as that worker is back', async () => {
  await fleet.close();
  await open({ ADOPT_WAIT_SECONDS: '1' });
  const [first, second] = [await gpus.start(1000), await gpus.start(0)];
  const away = await fleet.startWorker('away', [first.url]);
  const { id } = await jobs.generate(LONG);
  await running(id);
  await away.stop('SIGKILL');
  await fleet.startWorker('b', [second.url]);
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 2 });
  expect((await queueOf(first)).running).toHaveLength(1);
  await fleet.startWorker('away', [first.url]);
  await until('nothing runs there', async () => (await queueOf(first)).running.length === 0);
  expect(lastEnd(first)).toMatchObject({ outcome: 'interrupted' });
});

it("hands a job that waits behind somebody else's prompt over to an idle instance", async () => {
  const [shared, idle] = [await gpus.start(1000), await gpus.start(0)];
  await fleet.startWorker('a', [shared.url]);
  const graph = readFileSync('workflows/text2img.json', 'utf8');
  const body = JSON.stringify({ prompt: JSON.parse(graph), prompt_id: newId() });
  const headers = { 'Content-Type': 'application/json' };
  const foreign = await fetch(`${shared.url}/prompt`, { method: 'POST', headers, body });
  expect(foreign.status).toBe(200);
  const { id } = await jobs.generate(QUICK);
  await until('it waits', async () => (await queueOf(shared)).pending.length === 1);
  await fleet.startWorker('b', [idle.url]);
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', instance: 'b/1', attempts: 1 });
  expect((await queueOf(shared)).running).toHaveLength(1);
});

it("deletes pictures from ComfyUI's disk once they are stored, and what is a day old, but nobody else's files", async () => {
  const gpu = await gpus.start(0);
  const [output, input] = [join(gpu.dir, 'output'), join(gpu.dir, 'input')];
  const old = [join(output, `${newId()}_00001_.png`), join(input, `${'ab'.repeat(32)}.png`)];
  const others = [join(output, 'ComfyUI_00001_.png'), join(input, 'example.png')];
  const young = join(output, `${newId()}_00001_.png`);
  for (const dir of [output, input]) mkdirSync(dir, { recursive: true });
  for (const file of [...old, ...others, young]) writeFileSync(file, 'x');
  for (const file of [...old, ...others]) utimesSync(file, 1, 1);
  await fleet.startWorker('w', [gpu.url], { COMFYUI_OUTPUT_DIRS: output, COMFYUI_INPUT_DIRS: input });
  const job = await jobs.ended((await jobs.generate({ ...QUICK, count: 2 })).id);
  expect(job.images).toHaveLength(2);
  const left = () => [...readdirSync(output), ...readdirSync(input)].filter((name) => name.endsWith('.png')).sort();
  const expected = [...others, young].map((path) => path.split('/').at(-1)).sort();
  await until('the rest is gone', () => left().length === expected.length);
  expect(left()).toEqual(expected);
  expect((await fetch(`${fleet.url}${job.image_url}`)).status).toBe(200);
  expect((await status()).notes).toEqual([]);
});

it("deletes the picture that jobs start from from ComfyUI's disk when the last of them has ended, on whichever worker", async () => {
  const [slow, quick] = [await gpus.start(2000), await gpus.start(0)];
  // As on a disk that two ComfyUIs share: what one is sent the other has.
  const input = join(slow.dir, 'input');
  rmSync(join(quick.dir, 'input'), { recursive: true, force: true });
  symlinkSync(input, join(quick.dir, 'input'));
  const files = () => readdirSync(input).filter((name) => /^[0-9a-f]{64}\.png$/.test(name));
  await fleet.startWorker('slow', [slow.url], { COMFYUI_INPUT_DIRS: input });
  const first = await jobs.img2img({ ...LONG, image: PICTURE });
  await running(first.id);
  const worker = await fleet.startWorker('quick', [quick.url], { COMFYUI_INPUT_DIRS: input });
  const second = await jobs.img2img({ ...QUICK, image: PICTURE });
  expect(await jobs.ended(second.id)).toMatchObject({ status: 'succeeded', instance: 'quick/1' });
  // Whatever it does after the end of a job is done.
  await worker.stop();
  expect(files()).toHaveLength(1);
  await jobs.cancel(first.id);
  await until('the picture is gone', () => files().length === 0);
});

it('passes pictures of the unfinished work on to those who listen', async () => {
  const gpu = await gpus.start(20);
  gpu.set({ previewMethod: 'latent2rgb' });
  await fleet.startWorker('w', [gpu.url]);
  const { urls } = await jobs.generate(LONG);
  const answer = await fetch(`${fleet.url}${urls.events}`);
  const text = await answer.text();
  const [, data] = /event: preview\ndata: (.*)\n/.exec(text) ?? [];
  const preview = JSON.parse(data ?? '{}') as { content_type: string; data: string };
  expect(preview.content_type).toBe('image/jpeg');
  const bytes = Buffer.from(preview.data, 'base64');
  expect(bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
  expect(bytes.length).toBeLessThanOrEqual(48 * 1024);
  expect(text).toMatch(/"status":"succeeded"/);
});
