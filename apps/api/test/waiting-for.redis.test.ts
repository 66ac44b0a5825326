import type { Abilities, Job, JobList } from '@comfy-fleet/contracts';
import { catalogueWith, until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { anInstance, aWorker } from './announcements.js';
import { aKey, as, startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';

const CHECKPOINT = 'sd_xl_base_1.0.safetensors';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), {
    keys: [aKey('ada', { scopes: ['jobs', 'admin'], limits: { jobs_running: 1 } }), aKey('bob')],
  });
});
afterEach(() => api.close());

const announce = (overrides: Parameters<typeof anInstance>[0] = {}) =>
  api.worker.presence.announce(aWorker({ instances: [anInstance(overrides)] }));

/** Makes the instance report these checkpoints. */
async function publish(checkpoints: readonly string[]): Promise<void> {
  const nodes = ['KSampler', 'CLIPTextEncode', 'EmptyLatentImage', 'VAEDecode', 'SaveImage'];
  const abilities: Abilities = {
    ...Object.fromEntries(nodes.map((node) => [node, {}])),
    CheckpointLoaderSimple: { ckpt_name: checkpoints },
  };
  await api.worker.abilities.publish(['default'], {
    instance: 'gpu-1/1',
    seenAt: Date.now(),
    ...catalogueWith(abilities),
  });
}

async function accepted(key = 'ada'): Promise<Job> {
  const answer = await api.post('/generate', { prompt: 'a lighthouse' }, as(key));
  expect(answer.status).toBe(202);
  return (await answer.json()) as Job;
}

const read = async (id: string, key = 'ada') => (await (await api.get(`/jobs/${id}`, as(key))).json()) as Job;

/** Waits until the job's reason is `code`, since the view of the fleet may be some seconds old, and returns the reason. */
const waitsFor = (id: string, code: string) =>
  until(`the job to wait for ${code}`, async () => {
    const { waiting_for: wait } = await read(id);
    return wait?.code === code ? wait : undefined;
  });

it('waits for its turn, and for nothing once it runs', async () => {
  await announce();
  const first = await accepted();
  expect(first.waiting_for).toEqual({ code: 'turn', detail: 'It comes next.' });
  const { id } = await accepted();
  expect((await read(id)).waiting_for).toEqual({ code: 'turn', detail: 'One job comes before it.' });
  const claim = await api.claim();
  await claim.submit('0199f1f0-0000-4000-8000-000000000001', 'gpu-1/1');
  expect((await read(first.id)).waiting_for).toMatchObject({
    code: 'turn',
    detail: expect.stringContaining('in the queue of gpu-1/1'),
  });
  await claim.start('0199f1f0-0000-4000-8000-000000000001');
  expect(await read(first.id)).toMatchObject({ status: 'running', waiting_for: null });
});

it('waits for the end of a pause', async () => {
  await announce();
  const { id } = await accepted();
  await api.post('/admin/pause?pool=default', undefined, as('ada'));
  expect(await waitsFor(id, 'paused')).toMatchObject({ detail: expect.stringContaining('pool default is paused') });
  await api.post('/admin/resume?pool=default', undefined, as('ada'));
  await waitsFor(id, 'turn');
});

it('waits for an instance that is up, and for its turn on one that a foreign prompt occupies', async () => {
  const { id, waiting_for: wait } = await accepted();
  expect(wait).toEqual({ code: 'no_instance', detail: 'No worker serves the pool default.' });
  await announce();
  await waitsFor(id, 'turn');
  await announce({ state: 'down', reason: 'connection refused' });
  const detail = 'No instance of the pool default is up and takes jobs: 1 down.';
  expect(await waitsFor(id, 'no_instance')).toEqual({ code: 'no_instance', detail });
  await announce({ state: 'occupied', reason: 'it executes a prompt that belongs to no job of the fleet' });
  await waitsFor(id, 'turn');
});

it('names the checkpoint that a ComfyUI no longer has after a restart', async () => {
  await announce();
  await publish([CHECKPOINT]);
  const { id, waiting_for: wait } = await accepted();
  expect(wait?.code).toBe('turn');
  await publish(['other.safetensors']);
  expect(await waitsFor(id, 'missing')).toEqual({
    code: 'missing',
    detail: `No instance of the pool default that is up has ${CHECKPOINT} for ckpt_name of CheckpointLoaderSimple.`,
    missing: [{ node: 'CheckpointLoaderSimple', input: 'ckpt_name', value: CHECKPOINT }],
  });
  await publish(['other.safetensors', CHECKPOINT]);
  await waitsFor(id, 'turn');
});

it('waits while the storage is full and the files of its key use up its share', async () => {
  await announce();
  const stored = { ada: { bytes: 900, evictable: 0, files: 1 }, bob: { bytes: 100, evictable: 0, files: 1 } };
  await api.keeper.recordStorage({ kinds: {}, bytes: 1000, most: 1000, keys: new Map(Object.entries(stored)) });
  const { id, waiting_for } = await accepted();
  expect(waiting_for?.code).toBe('storage_share');
  expect((await read(id)).waiting_for?.code).toBe('storage_share');
  expect((await accepted('bob')).waiting_for?.code).toBe('turn');
  await api.keeper.recordStorage({
    kinds: {},
    bytes: 600,
    most: 1000,
    keys: new Map([['ada', { bytes: 500, evictable: 0, files: 1 }]]),
  });
  expect((await read(id)).waiting_for?.code).toBe('turn');
});

it('waits while its key has the maximum number of jobs in work', async () => {
  await announce();
  await accepted();
  const claim = await api.claim();
  const second = await accepted();
  expect(second.waiting_for?.code).toBe('running_limit');
  expect((await read(second.id)).waiting_for?.code).toBe('running_limit');
  const { id } = await accepted('bob');
  expect((await read(id, 'bob')).waiting_for?.code).toBe('turn');
  await claim.finish({ status: 'canceled' });
  expect((await read(second.id)).waiting_for?.code).toBe('turn');
});

it('waits for its next attempt, and names the error before it and its time', async () => {
  await announce();
  const { id } = await accepted();
  await (await api.claim()).release(60_000, 'gpu_failed');
  const wait = await waitsFor(id, 'retry');
  expect(wait).toMatchObject({ after: 'gpu_failed', detail: expect.stringMatching(/^The GPU or its driver failed;/) });
  expect(Date.parse(wait.retry_at ?? '')).toBeGreaterThan(Date.now());
});

it('can be listed by the reason for which it waits', async () => {
  await announce();
  const list = async (query: string) => {
    const page = (await (await api.get(`/jobs?${query}`, as('ada'))).json()) as JobList;
    return page.data.map(({ id, waiting_for: wait }) => [id, wait?.code]);
  };
  const resting = await accepted();
  await (await api.claim()).release(60_000, 'prompt_lost');
  await waitsFor(resting.id, 'retry');
  const waiting = [await accepted(), await accepted()].map(({ id }) => [id, 'turn']).reverse();
  expect(await list('waiting_for=retry')).toEqual([[resting.id, 'retry']]);
  expect(await list('waiting_for=turn')).toEqual(waiting);
  expect(await list('waiting_for=turn&limit=1')).toEqual([waiting[0]]);
  expect(await list('waiting_for=turn&status=running')).toEqual([]);
  expect(await list('waiting_for=paused')).toEqual([]);
  expect((await api.get('/jobs?waiting_for=luck', as('ada'))).status).toBe(422);
});

it('has the reason in the snapshots of its event stream', async () => {
  const { id, urls } = await accepted();
  const stream = readEvents(await api.get(urls.events));
  expect((await stream.next())?.data).toMatchObject({ id, waiting_for: { code: 'no_instance' } });
  await api.post(`/jobs/${id}/cancel`, undefined, as('ada'));
  expect((await stream.next())?.data).toMatchObject({ status: 'canceled', waiting_for: null });
});
