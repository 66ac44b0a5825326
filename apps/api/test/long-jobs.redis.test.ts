import { connect } from 'node:net';
import type { Job } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';
import { finishedImage } from './finished-image.js';

async function finishLong(api: TestApi, id: string): Promise<void> {
  const claim = await api.claim();
  expect(claim.record.id).toBe(id);
  const outputs = Array.from({ length: 200 }, (_, index) => finishedImage(id, index + 1));
  await claim.finish({ status: 'succeeded', outputs });
}

function isWhole(response: string): boolean {
  const [head = '', body] = response.split(/\r\n\r\n(.*)/s);
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  return length === undefined ? response.endsWith('\r\n0\r\n\r\n') : body?.length === Number(length);
}

/** Sends a request and reads the response, but does not close the connection. */
async function askAndStay(api: TestApi, call: string, headers: Record<string, string>) {
  const client = connect({ port: api.port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void client.destroy());
  const lines = Object.entries({ Host: 'localhost', 'Content-Length': '0', ...headers }).map((pair) => pair.join(': '));
  client.write(`${call} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  let received = '';
  client.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  await until('the response', () => isWhole(received));
  expect(received).toMatch(/^HTTP\/1.1 20/);
  return () => void client.destroy();
}

it.each([['/jobs/ID/cancel'], ['/api/v2/jobs/ID/cancel'], ['/jobs/ID/retry']])(
  'answers POST %s about a long job to two clients of a key until they have closed their connections',
  async (path) => {
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')] });
    onTestFinished(() => api.close());
    const headers = { 'Idempotency-Key': 'one', ...as('anna').headers };
    const { id } = (await (await api.post('/generate', { prompt: 'x' }, as('anna'))).json()) as Job;
    const post = async () => (await (await api.post(path.replace('ID', id), undefined, { headers })).json()) as Job;
    await finishLong(api, id);
    const first = await post();
    if (first.id !== id) await finishLong(api, first.id);
    await post();
    const [close] = await Promise.all([1, 2].map(() => askAndStay(api, `POST ${path.replace('ID', id)}`, headers)));
    let isAnswered = false;
    const third = post().then(() => {
      isAnswered = true;
    });
    expect((await api.get('/jobs', as('anna'))).status).toBe(200);
    expect(isAnswered).toBe(false);
    close?.();
    await third;
  },
);

it.each(['/jobs/ID/events', '/jobs/ID?wait=60', '/api/v2/jobs/ID/events'])(
  'sends a long job that has just ended to two clients of a key that follow it with GET %s, until they have closed their connections',
  async (path) => {
    const api = await startApi(inject('redisUrl'), { keys: [aKey('anna')] });
    onTestFinished(() => api.close());
    const { id } = (await (await api.post('/generate', { prompt: 'x' }, as('anna'))).json()) as Job;
    const call = `GET ${path.replace('ID', id)}`;
    const ended: number[] = [];
    const following = [0, 1, 2].map((n) =>
      askAndStay(api, call, as('anna').headers).then((close) => {
        ended.push(n);
        return close;
      }),
    );
    await until('they follow the job', async () => /event_streams\S* 3$/m.test(await api.metrics()));
    await finishLong(api, id);
    await until('two have the end', () => ended.length === 2);
    expect((await api.get('/jobs', as('anna'))).status).toBe(200);
    expect(ended).toHaveLength(2);
    const close = await following[ended[0] ?? 0];
    close?.();
    await Promise.all(following);
  },
);
