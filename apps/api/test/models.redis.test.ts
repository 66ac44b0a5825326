import type { Job, ModelAnswer, ModelCopy, ModelList } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { aFolder, aWorker } from './announcements.js';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { drawing, publishRealCatalogue, refusal } from './runnable.js';

const SOURCES = ['https://models.example/detail.safetensors'];
const COPY: ModelCopy = { state: 'fetching', bytes: 1000, fetched: 400, used_at: 0, is_ours: true };

let api: TestApi;
beforeAll(async () => {
  const scopes = ['jobs', 'graphs'] as const;
  const keys = [
    aKey('root', { scopes: [...scopes, 'admin'] }),
    aKey('anna', { scopes: [...scopes] }),
    aKey('ben', { scopes: [...scopes] }),
  ];
  api = await startApi(inject('redisUrl'), { keys });
  await publishRealCatalogue(api);
});
afterAll(() => api.close());

const path = (name: string, kind = 'loras') => `/models/${kind}/${encodeURIComponent(name)}`;
const put = (name: string, body: object, kind?: string) =>
  api.post(path(name, kind), body, { method: 'PUT', ...json('root') });
const json = (key: string) => ({ headers: { ...as(key).headers, 'Content-Type': 'application/json' } });
const post = (address: string, body: object = {}) => api.post(address, body, json('root'));
const read = async (name: string, key = 'root') => (await (await api.get(path(name), as(key))).json()) as ModelAnswer;

it('registers a model, shows it, and deletes it', async () => {
  const answer = await put('sdxl/new.safetensors', { sources: SOURCES });
  expect(answer.status).toBe(201);
  const model = await read('sdxl/new.safetensors');
  expect(model).toMatchObject({
    kind: 'loras',
    name: 'sdxl/new.safetensors',
    bytes: null,
    sources: SOURCES,
    keys: null,
  });
  expect(await answer.json()).toEqual(model);
  const listed = (await (await api.get('/models', as('root'))).json()) as ModelList;
  expect(listed.data.map(({ name }) => name)).toContain('sdxl/new.safetensors');
  expect((await api.get(path('sdxl/new.safetensors'), { method: 'DELETE', ...as('root') })).status).toBe(204);
  const gone = await api.get(path('sdxl/new.safetensors'), as('root'));
  expect([gone.status, (await problemOf(gone)).code]).toEqual([404, 'model_not_found']);
});

it('keeps the fields of a registered model that a later request leaves out', async () => {
  await put('kept.safetensors', { sources: SOURCES, keys: ['anna'], sha256: 'a'.repeat(64), bytes: 10 });
  expect((await put('kept.safetensors', { sources: ['civitai:7'], sha256: null })).status).toBe(200);
  expect(await read('kept.safetensors')).toMatchObject({
    sources: ['civitai:7'],
    keys: ['anna'],
    sha256: null,
    bytes: 10,
  });
});

it.each([
  ['a kind that ComfyUI does not have', 'a.safetensors', 'unets', {}, '/kind'],
  ['a name outside of the folder', '../a.safetensors', 'loras', {}, '/model'],
  ['a name among those of callers', 'url/a.safetensors', 'loras', {}, '/model'],
  ['a source with credentials', 'a.safetensors', 'loras', { sources: ['https://a:b@x.example/a'] }, '/sources/0'],
  ['a key that does not exist', 'a.safetensors', 'loras', { keys: ['nobody'] }, '/keys/0'],
  ['keys for embeddings, which any text can name', 'a.safetensors', 'embeddings', { keys: ['anna'] }, '/keys'],
])('refuses %s', async (_what, name, kind, more, pointer) => {
  const [code, error] = await refusal(await put(name, { sources: SOURCES, ...more }, kind));
  expect([code, error?.pointer]).toEqual(['validation_failed', pointer]);
});

it('records that a model is to be fetched or verified', async () => {
  await put('asked.safetensors', { sources: SOURCES });
  expect((await post(`${path('asked.safetensors')}/fetch`, { pools: ['default'] })).status).toBe(202);
  expect((await post(`${path('asked.safetensors')}/verify`)).status).toBe(202);
  expect((await api.ledger.models.list()).get('loras/asked.safetensors')).toMatchObject({
    fetch_asked_at: expect.any(Number),
    fetch_pools: ['default'],
    verify_asked_at: expect.any(Number),
  });
  expect((await post(`${path('missing.safetensors')}/fetch`)).status).toBe(404);
});

it('shows callers what they need to know, and operators where models come from and who has them', async () => {
  await put('shown.safetensors', { sources: SOURCES });
  const { instances, pools, seen_at: _now, ...folder } = aFolder();
  const failed = {
    ...COPY,
    used_at: 5,
    fetched_at: 5,
    state: 'failed',
    error: { code: 'not_reachable', detail: SOURCES[0] ?? '', at: 0 },
  } as const;
  await api.ledger.models.join(folder.id, { worker: folder.worker, instances, pools });
  await api.ledger.models.announce(folder, new Map([['loras/shown.safetensors', failed]]));
  const listed = async (key: string) => (await (await api.get('/models', as(key))).json()) as ModelList;
  await until('the folder to be listed', async () => (await listed('root')).folders.length === 1);
  const [own] = (await read('shown.safetensors')).copies;
  expect((await read('shown.safetensors')).used_at).toBeNull();
  expect(own).toMatchObject({ folder: 'f1', worker: 'gpu-1', error: { detail: SOURCES[0] } });
  const seen = await listed('anna');
  expect(seen.folders).toEqual([]);
  expect(JSON.stringify(seen)).not.toContain('models.example');
  expect(seen.data.find(({ name }) => name === 'shown.safetensors')?.copies).toMatchObject([
    { instances: ['gpu-1/1'], state: 'failed', error: { code: 'not_reachable' } },
  ]);
});

it('accepts a job that needs a registered model, and says that it waits for it', async () => {
  const graph = drawing();
  const loader = graph[2] as (typeof graph)[string];
  loader.inputs.lora_name = 'waited.safetensors';
  const send = () => api.post('/graphs', { graph }, json('anna'));
  const [code] = await refusal(await send());
  expect(code).toBe('no_able_instance');

  await put('waited.safetensors', { sources: SOURCES, bytes: 1000 });
  const { instances, pools, seen_at: _now, ...folder } = aFolder();
  await api.ledger.models.join(folder.id, { worker: folder.worker, instances, pools });
  await api.ledger.models.announce(folder, new Map([['loras/waited.safetensors', COPY]]));
  await api.worker.presence.takeName(api.stopping);
  await api.worker.presence.announce(aWorker());
  const answer = await send();
  expect(answer.status).toBe(202);
  const { id } = (await answer.json()) as Job;
  const waiting = async () => ((await (await api.get(`/jobs/${id}`, as('anna'))).json()) as Job).waiting_for;
  await until(
    'the fleet to be read again',
    async () => (await waiting())?.code === 'models' && (await waiting())?.models?.[0]?.fetched === 400,
  );
  expect(await waiting()).toEqual({
    code: 'models',
    detail: 'Models are missing: loras/waited.safetensors is being fetched.',
    models: [{ kind: 'loras', name: 'waited.safetensors', bytes: 1000, fetched: 400, eta_seconds: 6 }],
  });
  expect(await read('waited.safetensors')).toMatchObject({ jobs_waiting: 1 });
});

it('counts the waiting jobs of the caller, and those of all keys for operators', async () => {
  const graph = drawing();
  const lora = graph[2]?.inputs.lora_name as string;
  await put(lora, { sources: SOURCES });
  const waiting = async (key: string) => (await read(lora, key)).jobs_waiting;
  for (const key of ['anna', 'ben', 'ben']) expect((await api.post('/graphs', { graph }, json(key))).status).toBe(202);
  expect(await Promise.all(['root', 'anna', 'ben'].map(waiting))).toEqual([3, 1, 2]);
});

it('refuses a job that needs a registered model if no host of its pool can fetch models', async () => {
  const graph = drawing();
  const loader = graph[2] as (typeof graph)[string];
  loader.inputs.lora_name = 'nowhere.safetensors';
  await put('nowhere.safetensors', { sources: SOURCES });
  await api.worker.presence.takeName(api.stopping);
  const { presence } = api.worker;
  await presence.announce(aWorker({ startedAt: Date.now() - 60_000 }));
  await api.ledger.models.withdraw('f1');
  const send = () => api.post('/graphs', { graph }, json('anna'));
  const refused = await until('the folder to be forgotten', async () => {
    const answer = await send();
    return answer.status === 422 && answer;
  });
  expect((await refusal(refused))[0]).toBe('no_able_instance');
  // A worker that has just started may not have announced its folder yet.
  await presence.announce(aWorker());
  await until('the job to be accepted', async () => (await send()).status === 202);
});
