import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Job, newId } from '@comfy-fleet/contracts';
import { PICTURE, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

const PNG = Buffer.from(PICTURE, 'base64');
let asked = 0;
/** Responses that a test sends itself. */
const held: ServerResponse[] = [];
const host = createServer((request, response) => {
  asked += 1;
  if (request.url === '/picture.png') response.writeHead(200, { 'Content-Type': 'image/png' }).end(PNG);
  else if (request.url === '/page') response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>no picture');
  else if (request.url === '/inward') response.writeHead(302, { Location: 'http://10.0.0.1/' }).end();
  else if (request.url === '/held') held.push(response);
  else response.writeHead(404).end();
});
let at: string;
let api: TestApi;

beforeAll(async () => {
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  at = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  const limits = { upload_bytes_per_day: 2 * PNG.length };
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert', { limits }), aKey('clara')] });
});
afterAll(async () => {
  await api.close();
  host.close();
});

const send = (fields: object, caller = 'anna') => api.post('/img2img', { prompt: 'x', ...fields }, as(caller));

it('starts a job from a picture that is fetched, as if it had been sent', async () => {
  const fetched = (await (await send({ image_url: `${at}/picture.png` })).json()) as Job;
  const sent = (await (await send({ image: PICTURE })).json()) as Job;
  expect(fetched).toMatchObject({ kind: 'img2img', status: 'queued', request: { image: { width: 64, height: 64 } } });
  expect(fetched.request.image).toEqual(sent.request.image);
});

it('counts fetched bytes against the daily upload limit of the key', async () => {
  const image_url = `${at}/picture.png`;
  const statuses = [];
  for (let n = 0; n < 3; n++) statuses.push((await send({ image_url }, 'bert')).status);
  expect(statuses).toEqual([202, 202, 429]);
});

it.each([
  ['a page', '/page', 'invalid_image'],
  ['nothing', '/none', 'url_unreachable'],
  ['a redirect inward', '/inward', 'url_not_allowed'],
])('refuses a URL that leads to %s', async (_, path, code) => {
  const answer = await send({ image_url: at + path });
  expect(answer.status).toBe(422);
  const problem = await problemOf(answer);
  expect([problem.code, problem.errors?.map(({ pointer }) => pointer)]).toEqual([code, ['/image_url']]);
});

it('fetches nothing for a request with another fault', async () => {
  const before = asked;
  expect((await send({ image_url: `${at}/picture.png`, steps: 0 })).status).toBe(422);
  expect((await send({ image_url: `${at}/picture.png`, image: PICTURE })).status).toBe(422);
  expect(asked).toBe(before);
});

it('creates one job for a repeat with the same Idempotency-Key', async () => {
  const init = { headers: { ...as('anna').headers, 'Idempotency-Key': newId() } };
  const ask = async () =>
    (await (await api.post('/img2img', { prompt: 'x', image_url: `${at}/picture.png` }, init)).json()) as Job;
  expect((await ask()).id).toBe((await ask()).id);
});

it('fetches for the batches of a key one after the other, and for other keys meanwhile', async () => {
  const entry = { kind: 'workflow', workflow: 'img2img', inputs: { prompt: 'x', image: `${at}/held` } };
  const batch = (caller: string) => api.post('/jobs/batch', { jobs: [entry] }, as(caller));
  const own = [batch('anna'), batch('anna')];
  await until('the first is fetched', () => held.length === 1);
  own.push(batch('anna'));
  const other = batch('clara');
  await until('that of another key is fetched', () => held.length > 1);
  held[1]?.writeHead(404).end();
  expect((await other).status).toBe(422);
  expect(held).toHaveLength(2);
  for (const n of [0, 2, 3]) {
    await until('the next one is fetched', () => held.length > n);
    held[n]?.writeHead(404).end();
  }
  expect((await Promise.all(own)).map(({ status }) => status)).toEqual([422, 422, 422]);
});
