import sharp from 'sharp';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from './api.js';

/** BigInt() would take seconds for the largest possible number in a body. This one is just long enough to be refused. */
const LONG = '1'.repeat(65);
const GRAPH = `{"1":{"class_type":"EmptyImage","inputs":{"width":${LONG},"height":64,"batch_size":1,"color":0}},
  "2":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"x"}}}`;

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'));
});
afterAll(() => api.close());

const RULE = /has a number of 65 characters \(1{20}…\), and 64 are the most/;

it.each([
  ['POST', '/generate', `{"prompt":"x","seed":${LONG}}`, 400],
  ['POST', '/img2img', `{"prompt":"x","image":"AAAA","cfg":${LONG}}`, 400],
  ['POST', '/jobs/batch', `{"jobs":[{"prompt":"x","seed":${LONG}}]}`, 400],
  ['POST', '/workflows/text2img', `{"inputs":{"seed":${LONG}}}`, 400],
  ['POST', '/graphs', `{"graph":${GRAPH}}`, 400],
  ['PUT', '/workflows/long', GRAPH, 422],
  ['PUT', '/workflows/long', `{"graph":{},"inputs":{"deadline_seconds":${LONG}}}`, 422],
  ['POST', '/comfyui/prompt', `{"prompt":${GRAPH}}`, 400],
  ['POST', '/comfyui/prompt', `{"prompt":{},"extra_data":{"x":${LONG}}}`, 400],
  ['POST', '/comfyui/queue', `{"delete":[${LONG}]}`, 400],
  ['POST', '/comfyui/history', `{"delete":[${LONG}]}`, 400],
  ['POST', '/comfyui/interrupt', `{"prompt_id":${LONG}}`, 400],
  ['POST', '/api/v2/jobs', `{"workflow":${GRAPH}}`, 400],
  ['POST', '/v1/images/generations', `{"prompt":"x","n":${LONG}}`, 400],
])('%s %s refuses %j, which has a number of 65 characters, naming the rule', async (method, path, body, status) => {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await api.get(path, { method, headers, body });
  expect([answer.status, await answer.text()]).toEqual([status, expect.stringMatching(RULE)]);
});

it('refuses a picture whose prompt has a number of 65 characters', async () => {
  const black = sharp({ create: { width: 8, height: 8, channels: 3, background: 'black' } });
  const webp = await black
    .webp()
    .withExif({ IFD0: { Make: `workflow:{}`, Model: `prompt:${GRAPH}` } })
    .toBuffer();
  const headers = { 'Content-Type': 'image/webp' };
  const answer = await api.get('/workflows/long', { method: 'PUT', headers, body: new Uint8Array(webp) });
  expect([answer.status, await answer.text()]).toEqual([422, expect.stringMatching(RULE)]);
});

it('accepts no number of more than 64 characters in a form field or query parameter', async () => {
  const form = new FormData();
  form.set('prompt', 'x');
  form.set('cfg', `1.${'0'.repeat(63)}`);
  form.set('metadata', `{"a":${LONG}}`);
  const sent = await api.get('/img2img', { method: 'POST', body: form });
  const listed = await api.get(`/jobs?limit=${'0'.repeat(63)}10`);
  for (const [answer, fields] of [
    [sent, ['/cfg', '/metadata']],
    [listed, ['/limit']],
  ] as const) {
    const { errors } = (await answer.json()) as { errors: { pointer: string }[] };
    expect([answer.status, errors.map(({ pointer }) => pointer)]).toEqual([422, expect.arrayContaining([...fields])]);
  }
});
