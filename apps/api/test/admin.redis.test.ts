import type { AdminStatus, FleetStatus, Health } from '@comfy-fleet/contracts';
import { claimNext } from '@comfy-fleet/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { anInstance, aWorker } from './announcements.js';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), {
    keys: [aKey('ada', { scopes: ['admin'] }), aKey('bob', { scopes: ['admin'] }), aKey('guest')],
  });
});
afterEach(() => api.close());

const read = async <T>(path: string) => (await (await api.get(path, as('ada'))).json()) as T;
const admin = () => read<AdminStatus>('/admin');
const change = (path: string, key = 'ada') => api.post(path, undefined, as(key));
const changed = async (path: string, key?: string) => {
  const answer = await change(path, key);
  expect(answer.status).toBe(200);
  return (await answer.json()) as AdminStatus;
};
const announce = (...instances: Parameters<typeof anInstance>[0][]) =>
  api.worker.presence.announce(aWorker({ instances: instances.map(anInstance) }));
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);

describe('POST /admin/pause and /admin/resume', () => {
  it('pause and resume the whole fleet, and show since when and by whom it is paused', async () => {
    await announce({});
    expect(await admin()).toEqual({ paused: null, pools: [], instances: [] });
    const paused = await changed('/admin/pause');
    expect(paused).toEqual({ paused: { since: TIME, by: 'ada' }, pools: [], instances: [] });
    expect(await changed('/admin/pause', 'bob')).toEqual(paused);
    expect(await admin()).toEqual(paused);
    const fleet = await read<FleetStatus>('/fleet');
    expect([fleet.paused, fleet.pools[0]?.paused]).toEqual([paused.paused, paused.paused]);
    expect(fleet.notes).toEqual([
      `The fleet is paused (since ${paused.paused?.since}, by ada): jobs wait until POST /admin/resume.`,
    ]);
    expect(await changed('/admin/resume', 'bob')).toEqual({ paused: null, pools: [], instances: [] });
    expect((await read<FleetStatus>('/fleet')).notes).toEqual([]);
  });

  it('let jobs be accepted while paused, but not claimed', async () => {
    await change('/admin/pause');
    const accepted = await api.post('/generate', { prompt: 'a fox' }, as('guest'));
    expect(accepted.status).toBe(202);
    const { id } = (await accepted.json()) as { id: string };
    const source = await api.worker.claims('default');
    expect(await claimNext(source)).toBeUndefined();
    const job = (await (await api.get(`/jobs/${id}`, as('guest'))).json()) as object;
    expect(job).toMatchObject({ status: 'queued', eta_seconds: null });
    await change('/admin/resume');
    expect((await api.claim()).record.id).toBe(id);
    await source.close();
  });

  it('pause and resume one pool independently of the fleet', async () => {
    await announce({});
    expect((await changed('/admin/pause?pool=default')).pools).toEqual([{ name: 'default', since: TIME, by: 'ada' }]);
    await changed('/admin/pause');
    expect((await changed('/admin/resume')).pools).toHaveLength(1);
    const health = await read<Health>('/health');
    expect([health.status, health.pools[0]?.paused]).toEqual(['degraded', true]);
    expect(health.reasons).toEqual([expect.stringMatching(/^The pool default is paused .*resume\?pool=default$/)]);
    expect((await changed('/admin/resume?pool=default')).pools).toEqual([]);
    expect(await read<Health>('/health')).toMatchObject({ status: 'ok', reasons: [] });
  });

  it('refuse an unknown pool, an invalid name and an unknown parameter', async () => {
    const unknown = await change('/admin/pause?pool=defualt');
    expect(unknown.status).toBe(404);
    expect(await problemOf(unknown)).toMatchObject({ code: 'pool_not_found' });
    expect((await problemOf(await change('/admin/pause?pool=NO'))).code).toBe('validation_failed');
    expect((await problemOf(await change('/admin/resume?polo=default'))).code).toBe('validation_failed');
    expect(await admin()).toEqual({ paused: null, pools: [], instances: [] });
  });
});

describe('POST /admin/instances/…/drain and resume', () => {
  it('drain an instance: draining while it has jobs or its worker does not know yet, then drained', async () => {
    await announce({ name: 'gpu-1/1', waiting: ['a'] }, { name: 'gpu-1/2' });
    const first = await changed('/admin/instances/gpu-1/1/drain');
    expect(first.instances).toEqual([{ name: 'gpu-1/1', state: 'draining', since: TIME, by: 'ada' }]);
    for (const busy of [{ running: { job: 'a', since: 1 } }, { collecting: ['a'] }, { drains: false }]) {
      await announce({ drains: true, ...busy }, { name: 'gpu-1/2' });
      expect((await admin()).instances[0]?.state).toBe('draining');
    }
    await announce({ drains: true }, { name: 'gpu-1/2' });
    expect((await admin()).instances[0]?.state).toBe('drained');
    const { workers, pools, notes } = await read<FleetStatus>('/fleet');
    expect(workers[0]?.instances.map(({ drain }) => drain)).toEqual([
      { state: 'drained', since: first.instances[0]?.since, by: 'ada' },
      null,
    ]);
    expect(pools[0]?.instances).toBe(1);
    expect(notes).toEqual([expect.stringMatching(/^gpu-1\/1 is drained .*resume\.$/)]);
    const health = await read<Health>('/health');
    expect(health.workers[0]?.instances.map(({ drain }) => drain)).toEqual(['drained', null]);
    expect((await changed('/admin/instances/gpu-1/1/resume')).instances).toEqual([]);
    expect((await read<FleetStatus>('/fleet')).pools[0]?.instances).toBe(2);
  });

  it('resume an instance whose worker is gone', async () => {
    await announce({});
    await change('/admin/instances/gpu-1/1/drain');
    await api.worker.presence.withdraw();
    expect((await admin()).instances).toMatchObject([{ name: 'gpu-1/1', state: 'gone' }]);
    expect((await changed('/admin/instances/gpu-1/1/resume')).instances).toEqual([]);
  });

  it('refuse an unknown instance, and list the known ones', async () => {
    await announce({}, { name: 'gpu-1/2' });
    const answer = await change('/admin/instances/gpu-1/3/drain');
    expect(answer.status).toBe(404);
    const { code, detail } = await problemOf(answer);
    expect([code, detail]).toEqual(['instance_not_found', expect.stringContaining('There are gpu-1/1, gpu-1/2.')]);
    expect((await admin()).instances).toEqual([]);
  });
});

describe('every admin route', () => {
  it('asks for a key with the scope admin', async () => {
    await announce({});
    for (const path of ['/admin/pause', '/admin/resume', '/admin/instances/gpu-1/1/drain']) {
      expect((await change(path, 'guest')).status).toBe(403);
      expect((await change(path, 'nobody')).status).toBe(401);
    }
    expect((await api.get('/admin', as('guest'))).status).toBe(403);
    expect(await admin()).toEqual({ paused: null, pools: [], instances: [] });
  });

  it('logs one line with the key for each change, and none for a refused request', async () => {
    await announce({});
    await change('/admin/pause', 'bob');
    await change('/admin/pause?pool=default');
    await change('/admin/instances/gpu-1/1/drain');
    await change('/admin/instances/gpu-1/1/resume', 'bob');
    await change('/admin/instances/gpu-1/9/drain');
    await change('/admin/resume', 'guest');
    const lines = api.logged.filter(({ message }) => message === 'admin action');
    expect(lines.map(({ action, kind, name, key, level }) => ({ action, kind, name, key, level }))).toEqual([
      { action: 'pause', kind: 'fleet', key: 'bob', level: 'info' },
      { action: 'pause', kind: 'pool', name: 'default', key: 'ada', level: 'info' },
      { action: 'drain', kind: 'instance', name: 'gpu-1/1', key: 'ada', level: 'info' },
      { action: 'resume', kind: 'instance', name: 'gpu-1/1', key: 'bob', level: 'info' },
    ]);
  });
});

describe('GET /health', () => {
  const exposures = [{ what: 'it runs as the same user as its worker', fix: 'run it as another user' }];

  it('warns of instances where graphs could read the files of other keys once a key may send graphs', async () => {
    await announce({ exposures }, {});
    expect(await read<Health>('/health')).toMatchObject({ status: 'ok', warnings: [] });
    const other = await startApi(inject('redisUrl'), {
      keys: [aKey('ada', { scopes: ['admin'] }), aKey('guest', { scopes: ['jobs', 'graphs'] })],
    });
    try {
      await other.worker.presence.announce(aWorker({ instances: [anInstance({ exposures }), anInstance()] }));
      const health = (await (await other.get('/health', as('ada'))).json()) as Health;
      expect(health).toMatchObject({
        status: 'ok',
        warnings: ['ComfyUI gpu-1/1: it runs as the same user as its worker; run it as another user'],
      });
    } finally {
      await other.close();
    }
  });
});
