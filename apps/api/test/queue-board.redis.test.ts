import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

let api: TestApi;
beforeEach(async () => {
  api = await startApi(inject('redisUrl'), { keys: [aKey('ada', { scopes: ['admin', 'jobs'] }), aKey('guest')] });
});
afterEach(() => api.close());

const basic = (password: string, user = 'anybody') => ({
  headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
});
interface Board {
  readonly queues: readonly {
    readonly name: string;
    readonly readOnlyMode: boolean;
    readonly counts: Readonly<Record<string, number>>;
    readonly jobs: readonly { readonly id: string; readonly name: string; readonly data: object }[];
  }[];
}
const board = async (query = '') =>
  (await (await api.get(`/admin/queues/api/queues${query}`, as('ada'))).json()) as Board;

describe('/admin/queues', () => {
  it('asks a browser for a key, and accepts it only as the password, with any user name', async () => {
    const asked = await api.get('/admin/queues');
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toMatch(/^Basic realm="[^"]+", charset="UTF-8"$/);
    expect((await problemOf(asked)).code).toBe('unauthorized');
    for (const init of [basic('ada'), basic('ada', ''), as('ada'), { headers: { 'X-API-Key': 'ada' } }]) {
      expect((await api.get('/admin/queues', init)).status).toBe(200);
    }
    expect((await api.get('/admin/queues', basic('guest'))).status).toBe(403);
    for (const init of [basic('nobody'), basic(''), basic('', 'ada'), { headers: { Authorization: 'Basic ada' } }]) {
      expect((await api.get('/admin/queues/api/queues', init)).status).toBe(401);
    }
  });

  it('is the only route that accepts a key which browsers send automatically', async () => {
    for (const path of ['/admin', '/fleet', '/jobs']) expect((await api.get(path, basic('ada'))).status).toBe(401);
    expect((await api.post('/admin/pause', undefined, basic('ada'))).status).toBe(401);
    expect((await api.get('/fleet')).headers.get('www-authenticate')).toBe('Bearer');
  });

  it('is a page that may only load its own files, all of which exist', async () => {
    const answer = await api.get('/admin/queues', as('ada'));
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page).toContain('<base href="/admin/queues/" />');
    const files = [...page.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      const loaded = await api.get(`/admin/queues/${file}`, basic('ada'));
      expect([file, loaded.status, (await loaded.arrayBuffer()).byteLength > 100]).toEqual([file, 200, true]);
    }
  });

  it('shows the work items of every used pool, of webhooks and of the housekeeping', async () => {
    expect((await board()).queues.map(({ name }) => name)).toEqual(['webhooks', 'housekeeping']);
    const { id } = (await (await api.post('/generate', { prompt: 'a fox' }, as('ada'))).json()) as { id: string };
    const { queues } = await board('?activeQueue=queue-default&status=prioritized');
    expect(queues.map(({ name, readOnlyMode }) => [name, readOnlyMode]).sort()).toEqual([
      ['housekeeping', true],
      ['queue-default', true],
      ['webhooks', true],
    ]);
    const pool = queues.find(({ name }) => name === 'queue-default');
    expect(pool?.counts.prioritized).toBe(1);
    const data = { key: 'ada', workflow: 'text2img', lod: expect.any(String), pool: 'default' };
    expect(pool?.jobs.map((job) => [job.id, job.name, job.data])).toEqual([[id, 'text2img', data]]);
  });

  it('refuses all requests that would change something', async () => {
    const { id } = (await (await api.post('/generate', { prompt: 'a fox' }, as('ada'))).json()) as { id: string };
    await board();
    const item = `/admin/queues/api/queues/queue-default/${id}`;
    for (const [method, path] of [
      ['PUT', `${item}/clean`],
      ['PUT', `${item}/promote`],
      ['PUT', `${item}/retry/failed`],
      ['PUT', '/admin/queues/api/queues/queue-default/pause'],
      ['PUT', '/admin/queues/api/queues/pause'],
      ['PUT', '/admin/queues/api/queues/queue-default/empty'],
      ['PUT', '/admin/queues/api/queues/queue-default/obliterate'],
      ['POST', '/admin/queues/api/queues/queue-default/add'],
      ['PATCH', `${item}/update-data`],
      ['DELETE', item],
    ] as const) {
      const answer = await api.get(path, { method, ...as('ada') });
      expect([method, path, answer.status, answer.headers.get('allow')]).toEqual([method, path, 405, 'GET, HEAD']);
      expect((await problemOf(answer)).code).toBe('method_not_allowed');
    }
    expect((await board()).queues.find(({ name }) => name === 'queue-default')?.counts.prioritized).toBe(1);
  });

  it('answers unknown paths like the rest of the API', async () => {
    const answer = await api.get('/admin/queues/static/nothing.js', as('ada'));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([404, 'not_found']);
  });
});

it('works below the path of the public URL', async () => {
  const below = await startApi(inject('redisUrl'), { env: { PUBLIC_URL: 'https://pictures.example/api/' } });
  expect(await (await below.get('/admin/queues')).text()).toContain('<base href="/api/admin/queues/" />');
  await below.close();
});
