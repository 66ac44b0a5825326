import { type RedisServer, startRedisServer, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';

let redis: RedisServer;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedisServer();
  api = await startApi(redis.url);
});
afterAll(async () => {
  await api.close();
  await redis.close();
});

describe('while Redis is away', () => {
  it('answers 503 with Retry-After within a second, and recovers by itself with every job kept', async () => {
    const { id } = await api.accepted({ prompt: 'kept' });
    const events = readEvents(await api.get(`/jobs/${id}/events`));
    await events.next();
    await redis.stop('SIGKILL');

    const requests = [
      () => api.post('/generate', { prompt: 'x' }),
      () => api.get(`/jobs/${id}`),
      () => api.get(`/jobs/${id}?wait=5`),
      () => api.get(`/jobs/${id}/events`),
      () => api.post(`/jobs/${id}/cancel`, {}),
    ];
    for (const request of requests) {
      const start = performance.now();
      const answer = await request();
      expect(performance.now() - start).toBeLessThan(1000);
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('1');
      const problem = await problemOf(answer);
      expect(problem).toMatchObject({ code: 'queue_unavailable', status: 503 });
      expect(JSON.stringify(problem)).not.toMatch(/ioredis|bullmq|ECONN|127\.0\.0\.1|stack|redis:/i);
    }

    expect((await api.get('/livez')).status).toBe(200);
    expect((await api.get('/lods')).status).toBe(200);
    const ready = await api.get('/readyz');
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', reasons: ['Redis does not answer'] },
    ]);
    const health = await api.get('/health');
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: 'down', redis: { status: 'down' } });
    expect((await api.post('/generate', { steps: 0 })).status).toBe(422);

    await redis.restart();
    await until('the API to be ready', async () => (await api.get('/readyz')).status === 200);
    expect(await api.job(id)).toMatchObject({ id, status: 'queued', request: { prompt: 'kept' } });
    expect((await api.accepted()).status).toBe('queued');

    // the stream of before goes on
    await until('the cancel to be taken', async () => (await api.post(`/jobs/${id}/cancel`, {})).status === 200);
    expect(await events.rest()).toMatchObject([{ event: 'status', data: { status: 'canceled' } }]);
  });
});
