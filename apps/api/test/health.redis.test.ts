import { resolve } from 'node:path';
import { catalogueWith, startRedisServer, until } from '@comfy-fleet/testing';
import { classesOf, loadWorkflows } from '@comfy-fleet/workflows';
import { afterEach, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { anInstance, aWorker } from './announcements.js';
import { startApi, type TestApi } from './api.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'));
});
afterEach(() => api.close());

const json = async (path: string) => (await api.get(path)).json();

describe('GET /health', () => {
  it('is degraded while no worker is running, and shows the length of the queue', async () => {
    await api.accepted();
    await api.accepted();
    const answer = await api.get('/health');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      status: 'degraded',
      reasons: ['No worker is running: jobs wait until one starts'],
      redis: { status: 'up', latency_ms: expect.any(Number) },
      storage: { status: 'up' },
      pools: [{ pool: 'default', open: 2, waiting: 2, running: 0, paused: false }],
      warnings: [],
      workers: [],
    });
  });

  it('shows every worker and instance, and why one of them is down', async () => {
    const now = Date.now();
    const worker = aWorker({ startedAt: now });
    const up = anInstance({ since: now });
    await api.worker.presence.announce({ ...worker, instances: [up] });
    expect(await json('/health')).toMatchObject({
      status: 'ok',
      reasons: [],
      workers: [
        {
          name: 'gpu-1',
          started_at: new Date(now).toISOString(),
          instances: [{ name: 'gpu-1/1', state: 'up', since: new Date(now).toISOString() }],
        },
      ],
    });
    const down = { ...up, name: 'gpu-1/2', state: 'down', reason: 'connection refused' } as const;
    await api.worker.presence.announce({ ...worker, instances: [up, down] });
    expect(await json('/health')).toMatchObject({
      status: 'degraded',
      reasons: ['ComfyUI gpu-1/2 is down: connection refused'],
      workers: [{ instances: [{ state: 'up' }, { state: 'down', reason: 'connection refused' }] }],
    });
    await api.worker.presence.announce({ ...worker, draining: true, instances: [up] });
    expect(await json('/health')).toMatchObject({
      status: 'degraded',
      reasons: ['gpu-1 is stopping and takes no more jobs'],
    });
    const storeFault = { reason: 'There is no space left', since: now };
    await api.worker.presence.announce({ ...worker, storeFault, instances: [up] });
    expect(await json('/health')).toMatchObject({
      status: 'degraded',
      reasons: ['gpu-1 takes no jobs until it can store pictures: There is no space left'],
      workers: [{ storage_fault: 'There is no space left' }],
    });
    expect(await json('/fleet')).toMatchObject({
      workers: [{ storage_fault: { reason: 'There is no space left', since: new Date(now).toISOString() } }],
      notes: [
        expect.stringMatching(
          /^gpu-1 takes no jobs \(since .*\) until it can store pictures: There is no space left\.$/,
        ),
      ],
    });
  });
});

it('shows which workflows each instance can run, what it lacks, and which setting to change', async () => {
  const workflows = await loadWorkflows(resolve(import.meta.dirname, '../../../workflows'));
  const abilitiesWith = (checkpoints: readonly string[]) => ({
    ...Object.fromEntries(classesOf(workflows.byName.values()).map((className) => [className, {}])),
    CheckpointLoaderSimple: { ckpt_name: checkpoints },
  });
  const publish = (instance: string, checkpoints: readonly string[]) =>
    api.worker.abilities.publish(['default'], {
      instance,
      seenAt: Date.now(),
      ...catalogueWith(abilitiesWith(checkpoints)),
    });
  await publish('gpu-1/1', ['sd_xl_base_1.0.safetensors']);
  await publish('gpu-1/2', ['fox.safetensors']);
  const instances = ['gpu-1/1', 'gpu-1/2', 'gpu-1/3'].map((name) => anInstance({ name }));
  await api.worker.presence.announce(aWorker({ instances }));
  const lack = 'sd_xl_base_1.0.safetensors for ckpt_name of CheckpointLoaderSimple (it has fox.safetensors)';
  expect(await json('/health')).toMatchObject({
    status: 'degraded',
    reasons: [
      expect.stringMatching(
        /^ComfyUI gpu-1\/2 cannot run text2img and img2img: it lacks .*; set CHECKPOINT=fox\.safetensors, or another/,
      ),
    ],
    workers: [
      {
        instances: [
          {
            workflows: [
              { name: 'text2img', able: true, lacks: [] },
              { name: 'img2img', able: true, lacks: [] },
            ],
          },
          {
            workflows: [
              { name: 'text2img', able: false, lacks: [lack] },
              { name: 'img2img', able: false, lacks: [lack] },
            ],
          },
          { workflows: null },
        ],
      },
    ],
  });
});

it('is degraded while too few replicas of Redis confirm writes', async () => {
  const begin = async (...args: string[]) => {
    const server = await startRedisServer({ args });
    onTestFinished(() => server.close());
    return server;
  };
  const primary = await begin('--repl-diskless-sync-delay', '0');
  const replicated = await startApi(primary.url, { overrides: { redis: { wait: { replicas: 1, ms: 100 } } } });
  onTestFinished(() => replicated.close());
  await replicated.worker.presence.announce({ ...aWorker({ startedAt: Date.now() }), instances: [anInstance()] });
  const ask = async () => (await replicated.get('/health')).json();

  expect(await ask()).toMatchObject({
    status: 'degraded',
    reasons: [
      'Replicas of Redis are missing or slow: no new job is accepted or started until REDIS_WAIT_REPLICAS of them confirm writes',
    ],
    redis: { status: 'up' },
  });
  await begin('--replicaof', '127.0.0.1', `${primary.port}`);
  await until('it to be ok again', async () => ((await ask()) as { status: string }).status === 'ok');
});

describe('the other service routes', () => {
  it('report that the process is alive and ready, and not ready once it is stopping', async () => {
    expect((await api.get('/livez')).status).toBe(200);
    expect((await api.get('/readyz')).status).toBe(200);
    api.stop();
    const answer = await api.get('/readyz');
    expect([answer.status, await answer.json()]).toEqual([
      503,
      { status: 'unavailable', reasons: ['this process is stopping'] },
    ]);
    expect((await api.get('/livez')).status).toBe(200);
  });

  it('log probes only at debug', async () => {
    await api.get('/livez');
    await api.get('/lods');
    const lines = await until('both lines to be logged', () => {
      const found = api.logged.filter(({ path }) => path === '/livez' || path === '/lods');
      return found.length === 2 && found;
    });
    expect(lines).toMatchObject([
      { path: '/livez', level: 'debug' },
      { path: '/lods', level: 'info' },
    ]);
  });

  it('show the levels of detail, the quickest first', async () => {
    const { default: chosen, data } = (await json('/lods')) as { default: string; data: Record<string, unknown>[] };
    expect(chosen).toBe('mid');
    expect(data.map(({ lod }) => lod)).toEqual(['sketch', 'mid', 'final', 'direct_final']);
    expect(data[0]).toMatchObject({
      lod: 'sketch',
      steps: 8,
      cfg: 5,
      scale: 0.5,
      deadline_seconds: 120,
    });
  });

  it('say at / where the API is described', async () => {
    const links = { docs: '/docs', openapi: '/openapi.json', studio: '/studio/' };
    expect(await json('/')).toMatchObject({ name: 'comfy-fleet', links });
  });
});
