import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Job, JobList } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { aKey, as, startApi, type TestApi } from '../../api.js';
import { finishJob } from '../../finished-image.js';

const PNG = Buffer.from(PICTURE, 'base64');
const DATA_URL = `data:image/png;base64,${PICTURE}`;

const host = createServer((_request, response) => response.writeHead(200, { 'Content-Type': 'image/png' }).end(PNG));
let url: string;
let api: TestApi;

beforeAll(async () => {
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  url = `http://127.0.0.1:${(host.address() as AddressInfo).port}/picture.png`;
  const keys = ['bert', 'carl', 'dora', 'evan'].map((id) => aKey(id));
  api = await startApi(inject('redisUrl'), { keys });
});
afterAll(async () => {
  await api.close();
  host.close();
});

function form(fields: Record<string, string>): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  body.set('image', new Blob([PNG], { type: 'image/png' }), 'a.png');
  return body;
}

const send = (body: FormData, key: string) => fetch(`${api.url}/v1/images/edits`, { method: 'POST', ...as(key), body });
const edit = (body: object, key: string) => api.post('/v1/images/edits', { prompt: 'a boat', ...body }, as(key));

/** Finishes the only job of the key, and returns its request. */
async function made(key: string): Promise<Job['request']> {
  const job = await until('the job exists', async () => {
    const { data } = (await (await api.get('/jobs', as(key))).json()) as JobList;
    return data[0] as unknown as Job | undefined;
  });
  await finishJob(api, job.id);
  return job.request;
}

it('edits pictures from URLs or data URLs in JSON like pictures in a form', async () => {
  const image = async (key: string, asked: Promise<Response>) => {
    const { image: used } = await made(key);
    expect((await asked).status).toBe(200);
    return used;
  };
  const ofForm = await image('bert', send(form({ prompt: 'a boat' }), 'bert'));
  expect(ofForm).toMatchObject({ width: 64, height: 64 });
  expect(await image('carl', edit({ images: [{ image_url: DATA_URL }] }, 'carl'))).toEqual(ofForm);
  expect(await image('dora', edit({ images: [{ image_url: url }], mask: null }, 'dora'))).toEqual(ofForm);
});

it('refuses JSON without a usable picture, and names the parameter', async () => {
  const refusal = async (body: object) => {
    const answer = await edit(body, 'evan');
    const { error } = (await answer.json()) as { error: { param: string; message: string } };
    return [answer.status, error.param];
  };
  expect(await refusal({})).toEqual([400, 'images']);
  expect(await refusal({ images: [] })).toEqual([400, 'images']);
  expect(await refusal({ images: [{ file_id: 'file-1' }] })).toEqual([400, 'images']);
  expect(await refusal({ images: [{ image_url: 'ftp://x/y.png' }] })).toEqual([400, 'images']);
  expect(await refusal({ images: [{ image_url: 'http://10.0.0.1/y.png' }] })).toEqual([400, 'images']);
  const images = [{ image_url: DATA_URL }];
  expect(await refusal({ images, mask: { image_url: 'x' } })).toEqual([400, 'mask']);
  const large = [{ image_url: `data:image/png;base64,${'A'.repeat(8 * 1024 * 1024)}` }];
  expect((await refusal({ images: large }))[0]).toBe(413);
});
