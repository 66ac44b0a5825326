import { access } from 'node:fs/promises';
import type { Job } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import {
  createGpus,
  type Gate,
  type Gpus,
  type JobClient,
  jobClient,
  PICTURE,
  type S3Server,
  type Service,
  startGate,
  startS3Server,
  startStack,
  type TestStack,
  until,
} from '../src/index.js';

const BODY = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 1 };
const DAY_MS = 86_400_000;

let server: S3Server;
let gate: Gate;
let gpus: Gpus;
let stack: TestStack;
let jobs: JobClient;
let worker: Service;

beforeAll(async () => {
  server = await startS3Server();
  gate = await startGate(server.port);
  gpus = await createGpus();
  const env = { ...server.env, S3_ENDPOINT: gate.url, S3_PREFIX: 'fleet', MIN_FREE_BYTES: '1000000000000000' };
  const retention = { FRAMES_MAX_AGE_SECONDS: `${DAY_MS / 1000}`, HOUSEKEEPING_SECONDS: '1' };
  stack = await startStack({ redisUrl: inject('redisUrl'), env: { ...env, ...retention } });
  jobs = jobClient(stack.url);
  worker = await stack.startWorker('w', [(await gpus.start(0)).url]);
});
afterAll(async () => {
  await stack.close();
  await gpus.close();
  await gate.close();
  await server.close();
});

const get = (job: Job, query = '') => fetch(`${stack.url}${job.image_url}${query}`);

/** The names of all objects. */
async function keys(): Promise<string[]> {
  const listing = await (await fetch(`${server.url}/${server.bucket}?list-type=2`)).text();
  return [...listing.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
}

it('makes pictures from a prompt and from an uploaded picture, and serves them, without any folder', async () => {
  const first = await jobs.ended((await jobs.generate(BODY)).id);
  const second = await jobs.ended((await jobs.img2img({ ...BODY, image: PICTURE })).id);
  const third = await jobs.ended((await jobs.img2img({ ...BODY, source: `${first.id}_1.png` })).id);
  for (const job of [first, second, third]) {
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    const answer = await get(job);
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${job.images[0]?.sha256}"`]);
    expect((await answer.arrayBuffer()).byteLength).toBe(job.images[0]?.bytes);
  }
  expect((await get(second, '?width=64&format=webp')).status).toBe(200);
  const sha256 = second.request.image?.sha256;
  expect(await keys()).toEqual(
    expect.arrayContaining([
      `fleet/derived/${second.id}_1_w64.webp`,
      `fleet/frames/${first.id}_1.png`,
      `fleet/inputs/${sha256}.png`,
    ]),
  );
  await expect(access(stack.framesDir)).rejects.toThrow('ENOENT');
});

it('makes the picture once when the bucket is down while it is stored, and stores it later', async () => {
  await gate.close();
  const { id } = await jobs.generate(BODY);
  await until('storing has failed', () => worker.output.includes('storing failed; trying again'));
  expect(worker.output).toContain('check S3_ENDPOINT');
  gate = await startGate(server.port, Number(new URL(gate.url).port));
  const job = await jobs.ended(id);
  expect(job).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect((await get(job)).status).toBe(200);
});

it("waits for a job's input picture while the bucket is down", async () => {
  await fetch(`${stack.url}/admin/pause`, { method: 'POST' });
  const { id } = await jobs.img2img({ ...BODY, image: PICTURE });
  await gate.close();
  await fetch(`${stack.url}/admin/resume`, { method: 'POST' });
  await until('reading has failed', () =>
    worker.output.includes('reading an input file of the job failed; trying again'),
  );
  gate = await startGate(server.port, Number(new URL(gate.url).port));
  expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
});

it('deletes an old picture from the bucket, with its job, and keeps a recent one', async () => {
  const dispatcher = await stack.startDispatcher();
  const old = await jobs.ended((await jobs.img2img({ ...BODY, image: PICTURE })).id);
  const young = await jobs.ended((await jobs.generate(BODY)).id);
  expect((await get(old, '?width=64&format=webp')).status).toBe(200);
  const input = `fleet/inputs/${old.request.image?.sha256}.png`;
  // The frame comes last: deleting it deletes derived files, which must exist until they are made older.
  const gone = [`fleet/derived/${old.id}_1_w64.webp`, input, `fleet/frames/${old.id}_1.png`];
  for (const key of gone) await server.age(key, new Date(Date.now() - DAY_MS - 1000));
  await until('all of it is gone', async () => (await keys()).every((key) => !gone.includes(key)), {
    everyMs: 100,
  });
  expect((await fetch(`${stack.url}/jobs/${old.id}`)).status).toBe(404);
  expect((await get(young)).status).toBe(200);
  await until('no deletion is under way', async () => !(await keys()).some((key) => key.startsWith('fleet/deleting/')));
  await dispatcher.stop();
  expect(dispatcher.output).not.toContain('could not be deleted');
});
