import type { KeyList, KeyUsageList, Me, Usage } from '@comfy-fleet/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { finishJob } from './finished-image.js';

const SECRET = `whsec_${Buffer.alloc(24).toString('base64')}`;
const KEYS = [
  aKey('root', { scopes: ['admin'] }),
  aKey('bert', { scopes: ['jobs', 'graphs'] }),
  aKey('anna', {
    created_at: '2026-11-01T00:00:00.000Z',
    weight: 2,
    max_priority: 1,
    workflows: ['text2*'],
    limits: { requests_per_minute: 700, max_gpu_seconds_per_day: 60, max_gpu_seconds: 30, max_steps: 20 },
    webhook: { secrets: [SECRET] },
  }),
];

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: KEYS, env: { KEY_JOBS_WAITING: '50' } });
  for (const seed of [1, 2]) {
    const { id } = await accepted(seed);
    await finishJob(api, id, 1);
  }
  await accepted(3);
});
afterAll(() => api.close());

async function accepted(seed: number): Promise<{ id: string }> {
  const answer = await api.post('/generate', { prompt: 'x', seed }, as('anna'));
  expect(answer.status).toBe(202);
  return (await answer.json()) as { id: string };
}

async function read<T>(path: string, key: string): Promise<T> {
  const answer = await api.get(path, as(key));
  expect([path, answer.status]).toEqual([path, 200]);
  return (await answer.json()) as T;
}

describe('GET /me', () => {
  it('shows any key its rights, weight and limits, with the limits of the settings where it has none of its own', async () => {
    expect(await read<Me>('/me', 'anna')).toEqual({
      key: 'anna',
      rights: ['jobs'],
      weight: 2,
      max_priority: 1,
      workflows: ['text2*'],
      limits: {
        requests_per_minute: 700,
        jobs_waiting: 50,
        jobs_running: api.config.access.keyLimits.jobsRunning,
        upload_bytes_per_day: api.config.access.keyLimits.uploadBytesPerDay,
        max_gpu_seconds_per_day: 60,
        max_gpu_seconds: 30,
        max_steps: 20,
        max_size: null,
        max_count: null,
        max_pixels: null,
      },
    });
    expect(await read<Me>('/me', 'root')).toMatchObject({ key: 'root', rights: ['admin'], workflows: null });
    expect((await problemOf(await api.get('/me'))).code).toBe('unauthorized');
  });

  it('shows that everyone may do everything if the service has no keys', async () => {
    const open = await startApi(inject('redisUrl'));
    const me = (await (await open.get('/me')).json()) as Me;
    expect([me.key, me.rights.toSorted()]).toEqual([null, ['admin', 'graphs', 'jobs', 'models']]);
    expect(new Set(Object.values(me.limits))).toEqual(new Set([null]));
    expect(await (await open.get('/keys')).json()).toEqual({ data: [], has_more: false, next_cursor: null });
    await open.close();
  });
});

describe('GET /keys', () => {
  it('shows admins every key, page by page, without its secrets', async () => {
    const first = await read<KeyList>('/keys?limit=2', 'root');
    expect(first.data.map(({ key }) => key)).toEqual(['anna', 'bert']);
    expect(first.data[0]).toMatchObject({ created_at: '2026-11-01T00:00:00.000Z', weight: 2, rights: ['jobs'] });
    const text = JSON.stringify(first);
    for (const { sha256 } of KEYS) expect(text).not.toContain(sha256);
    expect(text).not.toContain(SECRET);
    const rest = await read<KeyList>(`/keys?cursor=${first.next_cursor}`, 'root');
    expect([rest.data.map(({ key }) => key), rest.has_more, rest.next_cursor]).toEqual([['root'], false, null]);
  });

  it.each(['/keys', '/usage/keys', '/usage/keys/anna'])('and %s are for admins only', async (path) => {
    expect((await problemOf(await api.get(path, as('anna')))).code).toBe('forbidden');
  });
});

describe('usage', () => {
  it('shows the current values that the limits apply to', async () => {
    const { now } = await read<Usage>('/usage?days=1', 'anna');
    expect(now).toMatchObject({ jobs_waiting: 1, jobs_running: 0, upload_bytes: 0 });
    expect(now.resets_in_seconds).toBeGreaterThan(0);
  });

  it('counts what was uploaded, although nothing limits it without keys', async () => {
    const open = await startApi(inject('redisUrl'));
    await open.get('/assets', { method: 'POST', body: new Uint8Array(1000) });
    const { now } = (await (await open.get('/usage')).json()) as Usage;
    expect(now.upload_bytes).toBe(1000);
    await open.close();
  });

  it('of each key is shown to admins, in total and by day, even for a key without jobs', async () => {
    const { days, data } = await read<KeyUsageList>('/usage/keys?days=3', 'root');
    expect([days.length, data.map(({ key }) => key)]).toEqual([3, ['anna']]);
    expect(data[0]).toMatchObject({ jobs: 3, succeeded: 2, failed: 0, pictures: 2 });
    expect(data[0]?.gpu_seconds_by_day).toEqual([data[0]?.gpu_seconds, 0, 0]);
    const anna = await read<Usage>('/usage/keys/anna?days=1', 'root');
    expect(anna.data).toEqual((await read<Usage>('/usage?days=1', 'anna')).data);
    expect((await read<Usage>('/usage/keys/bert?days=1', 'root')).data[0]).toMatchObject({ jobs: 0 });
    expect((await problemOf(await api.get('/usage/keys/nobody', as('root')))).code).toBe('key_not_found');
  });
});

describe('GET /jobs', () => {
  it('finds the jobs of a workflow and those derived from a job, but none of another key', async () => {
    const [, made] = (await read<{ data: { id: string }[] }>('/jobs', 'anna')).data;
    const again = (await (await api.post(`/jobs/${made?.id}/retry`, undefined, as('anna'))).json()) as { id: string };
    const ids = async (query: string, key = 'anna') =>
      (await read<{ data: { id: string }[] }>(`/jobs?${query}`, key)).data.map(({ id }) => id);
    expect(await ids(`parent=${made?.id}`)).toEqual([again.id]);
    expect(await ids(`parent=${made?.id}&workflow=img2img`)).toEqual([]);
    expect(await ids(`parent=${made?.id}`, 'bert')).toEqual([]);
    expect(await ids('workflow=text2img')).toHaveLength(4);
    expect(await ids('workflow=text2img&status=succeeded')).toHaveLength(2);
    expect(await ids('workflow=text2')).toEqual([]);
  });
});
