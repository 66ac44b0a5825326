import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: [aKey('anna', { limits: { requests_per_minute: 1000 } })] });
});
afterAll(() => api.close());

/** The value of a time series, or undefined. */
async function value(series: string): Promise<number | undefined> {
  const line = (await api.metrics()).split('\n').find((one) => one.startsWith(`comfy_fleet_${series} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

const requests = (method: string, route: string, status: number) =>
  value(`http_request_seconds_count{method="${method}",route="${route}",status="${status}"}`);

describe('requests', () => {
  it('are counted by method, path template and status, never by values in the path', async () => {
    const { id } = (await (await api.post('/generate', { prompt: 'a lighthouse' }, as('anna'))).json()) as {
      id: string;
    };
    for (let n = 0; n < 3; n++) await api.get(`/jobs/${id}`, as('anna'));
    await api.get(`/jobs/${newId()}`, as('anna'));
    await api.get('/jobs/not-an-id', as('anna'));
    await api.get(`/jobs/${id}`);
    expect(await requests('POST', '/generate', 202)).toBe(1);
    expect(await requests('GET', '/jobs/:id', 200)).toBe(3);
    expect(await requests('GET', '/jobs/:id', 404)).toBe(2);
    expect(await requests('GET', '/jobs/:id', 401)).toBe(1);
    expect(await api.metrics()).not.toContain(id);
  });

  it('are counted with the route none if no route matches, and with the method other if it is unknown', async () => {
    await api.get('/nowhere/at/all');
    await api.get('/nowhere/else');
    await api.get('/elsewhere', { method: 'PROPFIND' });
    await api.get('/lods', { method: 'PUT' });
    expect(await requests('GET', 'none', 404)).toBe(2);
    expect(await requests('other', 'none', 404)).toBe(1);
    expect(await requests('PUT', '/lods', 405)).toBe(1);
  });

  it('that fail are counted by their error code', async () => {
    const before = (await value('http_errors_total{code="validation_failed"}')) ?? 0;
    await api.post('/generate', {}, as('anna'));
    await api.post('/generate', { prompt: 7 }, as('anna'));
    expect(await value('http_errors_total{code="validation_failed"}')).toBe(before + 2);
    expect(await value('http_errors_total{code="unauthorized"}')).toBe(1);
  });

  it('are in flight while they wait, and counted as 499 when their caller disconnected before the response', async () => {
    const { id } = (await (await api.post('/generate', { prompt: 'x' }, as('anna'))).json()) as { id: string };
    expect(await value('http_in_flight')).toBe(0);
    const leaving = new AbortController();
    const waiting = api.get(`/jobs/${id}?wait=30`, { ...as('anna'), signal: leaving.signal }).catch(() => undefined);
    await until('the request is in flight', async () => (await value('http_in_flight')) === 1);
    leaving.abort();
    await waiting;
    await until('it is over', async () => (await value('http_in_flight')) === 0);
    expect(await requests('GET', '/jobs/:id', 499)).toBe(1);
  });

  it('that stream events are counted while the streams are open', async () => {
    const { id } = (await (await api.post('/generate', { prompt: 'x' }, as('anna'))).json()) as { id: string };
    const leaving = new AbortController();
    const stream = await api.get(`/jobs/${id}/events`, { ...as('anna'), signal: leaving.signal });
    expect(stream.status).toBe(200);
    expect(await value('event_streams')).toBe(1);
    leaving.abort();
    await until('the stream is closed', async () => (await value('event_streams')) === 0);
  });
});

describe('the id of a request', () => {
  const lineOf = (id: string | null) =>
    until('its line', () => api.logged.find((line) => line.message === 'request' && line.request_id === id));

  it('is the one that the client sent, in the response and the log line', async () => {
    const answer = await api.get('/lods', { headers: { ...as('anna').headers, 'X-Request-Id': 'proxy-1/abc' } });
    expect(answer.headers.get('x-request-id')).toBe('proxy-1/abc');
    expect(await lineOf('proxy-1/abc')).toMatchObject({ method: 'GET', path: '/lods', status: 200, key: 'anna' });
  });

  it('is a new one for each request without an id, including those that fail', async () => {
    const answers = await Promise.all([api.get('/lods', as('anna')), api.get('/lods'), api.get('/nowhere')]);
    const ids = answers.map(({ headers }) => headers.get('x-request-id'));
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    expect(await lineOf(ids[2] ?? null)).toMatchObject({ path: '/nowhere', status: 404 });
  });

  it.each([['a b'], ['x'.repeat(129)], ['"quoted"']])('is a new one when the client sent %s', async (given) => {
    const answer = await api.get('/lods', { headers: { ...as('anna').headers, 'X-Request-Id': given } });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-/);
  });

  it('is logged with the job on the line of its order', async () => {
    const answer = await api.post('/generate', { prompt: 'x' }, as('anna'));
    const { id } = (await answer.json()) as { id: string };
    expect(await lineOf(answer.headers.get('x-request-id'))).toMatchObject({ job: id, status: 202 });
  });
});
