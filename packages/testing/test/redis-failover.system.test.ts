import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createGpus,
  type Gpus,
  jobClient,
  type RedisSentinels,
  type Service,
  type Simulator,
  startRedisSentinels,
  startStack,
  starts,
  startWebhookSink,
  type TestStack,
  until,
  type WebhookSink,
} from '../src/index.js';

const JOB = { prompt: 'a lighthouse in a storm', lod: 'sketch', width: 64, height: 64, steps: 8 };

let gpus: Gpus;
let gpu: Simulator;
let redis: RedisSentinels;
let sink: WebhookSink;
let stack: TestStack;
let services: Service[];

beforeAll(async () => {
  gpus = await createGpus();
  gpu = await gpus.start(5);
  sink = await startWebhookSink();
  redis = await startRedisSentinels({ replicas: 2, password: 'secret' });
  const env = {
    REDIS_SENTINELS: redis.nodes.map(({ host, port }) => `${host}:${port}`).join(','),
    REDIS_SENTINEL_NAME: redis.name,
    REDIS_WAIT_REPLICAS: '1',
    REDIS_TIMEOUT_MS: '3000',
    // A claim that was lost is handed out again.
    LOCK_MS: '1000',
  };
  stack = await startStack({ redisUrl: 'redis://:secret@unused', env: { ...env, WEBHOOK_ALLOW: '127.0.0.0/8' } });
  services = [stack.api, await stack.startWorker('w', [gpu.url]), await stack.startDispatcher()];
});
afterAll(async () => {
  await stack.close();
  await redis.close();
  await sink.close();
  await gpus.close();
});

/** Repeats an order until it is accepted, like a caller that gets 503. */
async function order(key: string): Promise<Job> {
  for (;;) {
    const answer = await fetch(`${stack.url}/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ ...JOB, webhook: { url: sink.url } }),
      signal: AbortSignal.timeout(60_000),
    });
    if (answer.status === 202) return (await answer.json()) as Job;
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'queue_unavailable' });
    await delay(50);
  }
}

it('ends every accepted job, rendered once, when the primary dies meanwhile, without restarting any process', async () => {
  const ids = new Set<string>();
  let isOver = false;
  const callers = Array.from({ length: 3 }, async () => {
    while (!isOver) {
      ids.add((await order(randomUUID())).id);
      await delay(100);
    }
  });
  const jobs = jobClient(stack.url);
  await until('it is well under way', () => ids.size > 20 && starts(gpu) > 5);
  const old = await redis.primary();
  await old.stop('SIGKILL');
  await until('another is the primary', async () => (await redis.primary()) !== old);
  const then = ids.size;
  await until('it goes on', () => ids.size > then + 10);
  isOver = true;
  await Promise.all(callers);
  for (const id of ids) expect(await jobs.ended(id)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(starts(gpu)).toBe(ids.size);
  const told = () => new Set(sink.received.map(({ body }) => (JSON.parse(body) as { data: Job }).data.id));
  await until('every webhook was delivered', () => [...ids].every((id) => told().has(id)));
  for (const service of services) expect(service.exitCode).toBeNull();
});
