import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FleetError, type Job, newId } from '@comfy-fleet/contracts';
import { PICTURE } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { aKey, problemOf, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')] });
});
afterAll(() => api.close());

const under = (key: string, caller = 'anna') => ({
  headers: { Authorization: `Bearer ${caller}`, 'Idempotency-Key': key },
});

async function jobsOf(caller: string): Promise<number> {
  const answer = await api.get('/usage?days=1', { headers: { Authorization: `Bearer ${caller}` } });
  return ((await answer.json()) as { data: { jobs: number }[] }).data[0]?.jobs ?? 0;
}

it('answers a repeat with the job that was created first, marked as a replay', async () => {
  const key = newId();
  const first = await api.post('/generate', { prompt: 'x', steps: 5 }, under(key));
  const again = await api.post('/generate', { steps: 5, prompt: 'x' }, under(key));
  expect([first.status, again.status]).toEqual([202, 202]);
  expect([first, again].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true']);
  const [one, other] = [(await first.json()) as Job, (await again.json()) as Job];
  expect([other.id, other.seed]).toEqual([one.id, one.seed]);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
});

it('refuses the same key with another body or at another address with 422', async () => {
  const key = newId();
  await api.post('/generate', { prompt: 'x' }, under(key));
  for (const [path, body] of [
    ['/generate', { prompt: 'y' }],
    ['/jobs/batch', { jobs: [{ prompt: 'x' }] }],
  ] as const) {
    const answer = await api.post(path, body, under(key));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([422, 'idempotency_key_reused']);
  }
});

it('keeps the keys of callers apart', async () => {
  const key = newId();
  const [mine, theirs] = [
    (await (await api.post('/generate', { prompt: 'x' }, under(key))).json()) as Job,
    (await (await api.post('/generate', { prompt: 'y' }, under(key, 'bert'))).json()) as Job,
  ];
  expect(theirs.id).not.toBe(mine.id);
});

it('creates one job for 50 concurrent requests with the same key', async () => {
  const key = newId();
  const before = await jobsOf('anna');
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => api.post('/generate', { prompt: 'at once' }, under(key))),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as Job).id));
  expect(new Set(ids).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
  expect(await jobsOf('anna')).toBe(before + 1);
});

it('does not remember a request that was refused', async () => {
  const key = newId();
  expect((await api.post('/generate', { prompt: '' }, under(key))).status).toBe(422);
  expect((await api.post('/generate', { prompt: 'x' }, under(key))).status).toBe(202);
});

it('recognises a picture by its bytes, no matter how it is sent', async () => {
  const key = newId();
  const form = (image: string) => {
    const body = new FormData();
    body.set('prompt', 'x');
    body.set('image', new Blob([Buffer.from(image, 'base64')], { type: 'image/png' }), 'a.png');
    return api.get('/img2img', { method: 'POST', body, ...under(key) });
  };
  const first = (await (await form(PICTURE)).json()) as Job;
  const again = await form(PICTURE);
  expect(((await again.json()) as Job).id).toBe(first.id);
  const json = await api.post('/img2img', { prompt: 'x', image: PICTURE }, under(key));
  expect(((await json.json()) as Job).id).toBe(first.id);
});

it('creates a batch, a retry and a refinement only once', async () => {
  const batch = () => api.post('/jobs/batch', { jobs: [{ prompt: 'a' }, { prompt: 'b' }] }, under('the batch'));
  const [one, two] = [await (await batch()).json(), await (await batch()).json()];
  expect(two).toEqual(one);
  const { id } = (await (await api.post('/generate', { prompt: 'x', lod: 'sketch' }, under(newId()))).json()) as Job;
  await finishJob(api, id);
  for (const [path, body] of [
    ['retry', undefined],
    ['refine', { lod: 'mid' }],
  ] as const) {
    const ask = async () => (await (await api.post(`/jobs/${id}/${path}`, body, under(path))).json()) as Job;
    expect((await ask()).id).toBe((await ask()).id);
  }
});

it('answers 404 when the job that was created with the key has been deleted', async () => {
  const key = newId();
  const { id } = (await (await api.post('/generate', { prompt: 'x' }, under(key))).json()) as Job;
  await api.get(`/jobs/${id}/cancel`, { method: 'POST', ...under(key) });
  expect((await api.get(`/jobs/${id}`, { method: 'DELETE', ...under(key) })).status).toBe(204);
  const again = await api.post('/generate', { prompt: 'x' }, under(key));
  expect([again.status, (await problemOf(again)).code]).toEqual([404, 'job_not_found']);
});

it.each(['', 'a b', 'é', 'x'.repeat(256)])('refuses %j as a key with 422', async (key) => {
  const answer = await api.post('/generate', { prompt: 'x' }, under(encodeURI(key) === key ? key : key));
  expect([answer.status, (await problemOf(answer)).code]).toEqual([422, 'validation_failed']);
});

it('answers a repeat even when its disk space, its parent or the picture at its URL is no longer there', async () => {
  let isFull = false;
  const requireSpace = async () => {
    if (isFull) throw new FleetError('storage_full', 'There is no room.');
  };
  const own = await startApi(inject('redisUrl'), { requireSpace });
  const host = createServer((_request, response) => response.end(Buffer.from(PICTURE, 'base64'))).listen(
    0,
    '127.0.0.1',
  );
  await once(host, 'listening');
  const image_url = `http://127.0.0.1:${(host.address() as AddressInfo).port}/a.png`;
  const fetched = () => own.post('/img2img', { prompt: 'x', image_url }, { headers: { 'Idempotency-Key': 'by-URL' } });
  const first = (await (await fetched()).json()) as Job;
  const { id } = await own.accepted({ lod: 'sketch', priority: 2 });
  await finishJob(own, id);
  const refine = () => own.post(`/jobs/${id}/refine`, { lod: 'mid' }, { headers: { 'Idempotency-Key': 'refine' } });
  const refined = (await (await refine()).json()) as Job;
  host.close();
  await own.get(`/jobs/${id}`, { method: 'DELETE' });
  isFull = true;
  expect(((await (await fetched()).json()) as Job).id).toBe(first.id);
  expect(((await (await refine()).json()) as Job).id).toBe(refined.id);
  expect((await own.post('/generate', { prompt: 'x' })).status).toBe(507);
  await own.close();
});

it('counts the bytes of a picture once for all repeats', async () => {
  const bytes = Buffer.from(PICTURE, 'base64').length;
  const own = await startApi(inject('redisUrl'), { keys: [aKey('anna', { limits: { upload_bytes_per_day: bytes } })] });
  const send = (key: string) => own.post('/img2img', { prompt: 'x', image: PICTURE }, under(key));
  expect([(await send('a')).status, (await send('a')).status, (await send('b')).status]).toEqual([202, 202, 429]);
  await own.close();
});
