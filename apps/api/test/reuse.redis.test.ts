import { FleetError, type Job } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

const FOX = { prompt: 'a fox', seed: 7, reuse: true };

it('answers an equal request at once with copies of the outputs, which can be read after the first job is deleted', async () => {
  const first = await api.accepted(FOX);
  await finishJob(api, first.id);
  const answer = await api.post('/generate', { ...FOX, metadata: { mine: 'too' } });
  const job = (await answer.json()) as Job;
  expect(answer.status).toBe(202);
  expect(job).toMatchObject({ status: 'succeeded', reused_from: first.id, metadata: { mine: 'too' }, attempts: 0 });
  expect(job.outputs.map(({ sha256 }) => sha256)).toEqual(
    (await api.job(first.id)).outputs.map(({ sha256 }) => sha256),
  );
  expect((await api.get(`/jobs/${first.id}`, { method: 'DELETE' })).status).toBe(204);
  expect((await api.get(`/images/${job.id}_5001.png`)).status).toBe(200);
});

it.each([
  ['has another seed', { ...FOX, seed: 8 }, { ...FOX, seed: 9 }],
  ['has a random seed', { prompt: 'an owl', reuse: true }, { prompt: 'an owl', reuse: true }],
  ['does not ask for it', { ...FOX, seed: 10 }, { ...FOX, seed: 10, reuse: false }],
])('renders a job that %s', async (_what, one, other) => {
  await finishJob(api, (await api.accepted(one)).id);
  expect((await api.accepted(other)).reused_from).toBeNull();
});

it('renders a job if copies would take the disk space that must stay free', async () => {
  let checks = Infinity;
  const requireSpace = async () => {
    checks -= 1;
    if (checks < 0) throw new FleetError('storage_full', 'full');
  };
  const own = await startApi(inject('redisUrl'), { requireSpace });
  onTestFinished(() => own.close());
  await finishJob(own, (await own.accepted(FOX)).id);
  checks = 1; // of the order itself
  expect(await own.accepted(FOX)).toMatchObject({ status: 'queued' });
});
