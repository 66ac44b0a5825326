import { askRedis, startRedisServer } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createQueueSpace } from '../src/files/storage.js';
import { startApi } from './api.js';

it('refuses new jobs with 503 while Redis is nearly full, accepts them again later, and lets running ones end', async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.close());
  const limit = (bytes: number) => askRedis(redis, `CONFIG SET maxmemory ${bytes}`);
  let requireSpace = async () => {};
  const api = await startApi(redis.url, { requireSpace: () => requireSpace() });
  onTestFinished(() => api.close());
  const job = await api.accepted();
  const claim = await api.claim();
  // Leaves enough space to finish a job.
  await askRedis(redis, 'SETRANGE ballast 64000000 x');
  const [, used] = /^used_memory:(\d+)/m.exec(await askRedis(redis, 'INFO memory')) ?? [];
  await limit(Math.round(Number(used) / 0.95));
  requireSpace = createQueueSpace(api.ledger);
  const refused = await api.post('/generate', { prompt: 'a fox' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await refused.json()).toMatchObject({ code: 'overloaded', detail: expect.stringContaining('nearly full') });
  await claim.finish({ status: 'canceled' });
  expect((await api.job(job.id)).status).toBe('canceled');
  await limit(0);
  requireSpace = createQueueSpace(api.ledger);
  await api.accepted();
});
