import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest';
import {
  createGpus,
  type Gpus,
  type JobClient,
  jobClient,
  type Service,
  startStack,
  type TestStack,
  until,
} from '../src/index.js';

const BODY = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 1 };
const DAY_SECONDS = 86_400;

let gpus: Gpus;
let stack: TestStack;
let jobs: JobClient;
/** Two dispatchers; a test may stop either. */
const dispatchers: Service[] = [];

beforeAll(async () => {
  gpus = await createGpus();
  const env = { FRAMES_MAX_AGE_SECONDS: `${DAY_SECONDS}`, HOUSEKEEPING_SECONDS: '1' };
  stack = await startStack({ redisUrl: inject('redisUrl'), env });
  jobs = jobClient(stack.url);
});
beforeEach(async () => {
  // A killed one may hold the lock of a task, which the other one runs when the lock has expired.
  while (dispatchers.length < 2) dispatchers.push(await stack.startDispatcher({ LOCK_MS: '5000' }));
});
afterAll(async () => {
  await stack.close();
  await gpus.close();
});

const status = async (path: string) => (await fetch(`${stack.url}${path}`)).status;
const pictures = async () => (await readdir(stack.framesDir)).filter((name) => name.endsWith('.png'));

it('deletes an old picture with its job and keeps a recent one, even if one of two dispatchers was killed', async () => {
  const gpu = await gpus.start(0);
  const worker = await stack.startWorker('w', [gpu.url]);
  onTestFinished(() => worker.stop('SIGKILL'));
  const young = await jobs.ended((await jobs.generate(BODY)).id);
  for (const isKilled of [false, true]) {
    if (isKilled) await dispatchers.shift()?.stop('SIGKILL');
    const old = await jobs.ended((await jobs.generate(BODY)).id);
    const time = Date.now() / 1000 - DAY_SECONDS - 1;
    await utimes(join(stack.framesDir, `${old.id}_1.png`), time, time);
    await until('the job is gone', async () => (await status(`/jobs/${old.id}`)) === 404);
    await until('its picture is gone', async () => (await status(`${old.image_url}`)) === 404);
    await until('its file is gone', async () => !(await pictures()).includes(`${old.id}_1.png`));
    expect(await status(`${young.image_url}`)).toBe(200);
    expect(await pictures()).toEqual([`${young.id}_1.png`]);
  }
  expect(await status(`/jobs/${young.id}`)).toBe(200);
});

it('expires a job whose start deadline has passed, without a worker', async () => {
  const { id } = await jobs.generate({ ...BODY, start_within_seconds: 1 });
  expect(await jobs.ended(id)).toMatchObject({ status: 'expired' });
});

it('stops in order on a signal', async () => {
  const told = dispatchers.splice(0);
  await Promise.all(told.map((dispatcher) => dispatcher.stop('SIGTERM')));
  expect(told.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
});
