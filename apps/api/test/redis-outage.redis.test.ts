import type { Job } from '@comfy-fleet/contracts';
import { type RedisServer, startRedisServer, until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { problemOf, startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';

let redis: RedisServer;
let api: TestApi;
beforeEach(async () => {
  redis = await startRedisServer();
  // short enough for an outage to show quickly, long enough for a busy machine
  api = await startApi(redis.url, { env: { REDIS_TIMEOUT_MS: '3000' } });
});
afterEach(async () => {
  await api.close();
  await redis.close();
});

/** Everything that needs Redis is refused while it is down, with a problem that does not mention Redis. */
async function expectUnavailable(id: string): Promise<void> {
  const answers = await Promise.all([
    api.post('/generate', { prompt: 'x' }),
    api.get(`/jobs/${id}`),
    api.get(`/jobs/${id}?wait=60`),
    api.get(`/jobs/${id}/events`),
    api.post(`/jobs/${id}/cancel`, {}),
  ]);
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    const problem = await problemOf(answer);
    expect(problem).toMatchObject({ code: 'queue_unavailable', status: 503 });
    expect(JSON.stringify(problem)).not.toMatch(/ioredis|bullmq|ECONN|127\.0\.0\.1|stack|redis:/i);
  }
}

const ready = () => until('the API to be ready', async () => (await api.get('/readyz')).status === 200);

/** Repeats a request until Redis is reachable again, and returns the response. */
const answered = (ask: () => Promise<Response>) =>
  until('Redis to have answered', async () => {
    const answer = await ask();
    return answer.status !== 503 && answer;
  });
const jsonOf = async (ask: () => Promise<Response>) => (await (await answered(ask)).json()) as Job;
const accepted = (prompt = 'x') => jsonOf(() => api.post('/generate', { prompt }));

describe('while Redis is down', () => {
  it('answers 503 with Retry-After, and recovers by itself without losing a job', async () => {
    const { id } = await accepted('kept');
    const events = readEvents(await answered(() => api.get(`/jobs/${id}/events`)));
    await events.next();
    await redis.stop('SIGKILL');
    await expectUnavailable(id);

    const probe = await api.get('/readyz');
    expect([probe.status, await probe.json()]).toEqual([
      503,
      { status: 'unavailable', reasons: ['Redis does not answer'] },
    ]);
    const health = await api.get('/health');
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: 'down', redis: { status: 'down' } });
    expect((await api.get('/livez')).status).toBe(200);
    expect((await api.get('/lods')).status).toBe(200);
    expect((await api.post('/generate', { steps: 0 })).status).toBe(422);

    await redis.restart();
    await ready();
    const kept = { id, status: 'queued', request: { prompt: 'kept' } };
    expect(await jsonOf(() => api.get(`/jobs/${id}`))).toMatchObject(kept);
    expect((await accepted()).status).toBe('queued');
    expect((await answered(() => api.post(`/jobs/${id}/cancel`, {}))).status).toBe(200);
    // the stream that was already open continues
    expect(await events.rest()).toMatchObject([{ event: 'status', data: { status: 'canceled' } }]);
  });

  it('does the same when Redis hangs', async () => {
    const { id } = await accepted();
    process.kill(redis.pid, 'SIGSTOP');
    try {
      await expectUnavailable(id);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    await ready();
    // Requests that were sent while it hung may still take effect: 503 means that the outcome is unknown.
    expect((await jsonOf(() => api.get(`/jobs/${id}`))).id).toBe(id);
    expect((await accepted()).status).toBe('queued');
  });
});
