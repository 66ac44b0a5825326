import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { requireKeys } from '@comfy-fleet/config';
import type { Job } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { readEvents } from './event-stream.js';
import { finishJob } from './finished-image.js';

const KEYS = [aKey('anna'), aKey('bert'), aKey('root', { scopes: ['admin'] })];
let api: TestApi;

beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { keys: KEYS });
});
afterAll(() => api.close());

async function jobOf(id: string, fields: object = {}): Promise<Job> {
  const answer = await api.post('/generate', { prompt: 'x', ...fields }, as(id));
  expect(answer.status).toBe(202);
  return (await answer.json()) as Job;
}

/** A finished job of that key with a picture. */
async function finishedJob(id: string): Promise<Job> {
  const job = await jobOf(id, { priority: 2 });
  await finishJob(api, job.id);
  return (await (await api.get(`/jobs/${job.id}`, as(id))).json()) as Job;
}

describe('a request without a key', () => {
  it('is refused before its body is read', async () => {
    const body = Buffer.alloc(2_000_000, 'x');
    const answer = await api.post('/generate', undefined, { body });
    expect(answer.status).toBe(401);
  });
});

describe('a key', () => {
  it('is accepted as a bearer token and as X-API-Key', async () => {
    expect((await api.get('/jobs', as('anna'))).status).toBe(200);
    expect((await api.get('/jobs', { headers: { 'X-API-Key': 'anna' } })).status).toBe(200);
    expect((await api.get('/jobs', { headers: { Authorization: 'bearer anna' } })).status).toBe(200);
  });

  it('that does not exist is refused with 401, also on a route that accepts signed links', async () => {
    for (const path of ['/jobs', '/images/0198b5c0-0000-7000-8000-000000000000_1.png']) {
      const answer = await api.get(path, as('carl'));
      expect([answer.status, (await problemOf(answer)).code]).toEqual([401, 'unauthorized']);
    }
  });

  it('works as soon as it is added to the file, and stops working when it is removed', async () => {
    const replace = async (keys: unknown) => {
      const next = join(api.framesDir, 'next.json');
      await writeFile(next, JSON.stringify({ keys }));
      await rename(next, api.keysFile);
    };
    expect((await api.get('/jobs', as('dora'))).status).toBe(401);
    await replace([...KEYS, aKey('dora')]);
    await until('the new key is known', async () => (await api.get('/jobs', as('dora'))).status === 200);
    await replace(KEYS);
    await until('the key is known no longer', async () => (await api.get('/jobs', as('dora'))).status === 401);
    expect((await api.get('/jobs', as('anna'))).status).toBe(200);
  });

  it('does not appear in the log, which shows its id instead', async () => {
    await api.get('/usage', { headers: { 'X-API-Key': 'bert' } });
    const line = await until('the line', () => api.logged.find(({ path, key }) => path === '/usage' && key === 'bert'));
    expect(line).toMatchObject({ status: 200 });
  });
});

describe("another key's job", () => {
  it('does not exist for any request', async () => {
    const { id } = await jobOf('anna');
    const asks: [string, string][] = [
      ['GET', `/jobs/${id}`],
      ['GET', `/jobs/${id}?wait=1`],
      ['GET', `/jobs/${id}/events`],
      ['POST', `/jobs/${id}/cancel`],
      ['POST', `/jobs/${id}/retry`],
      ['DELETE', `/jobs/${id}`],
    ];
    for (const [method, path] of asks) {
      const answer = await api.get(path, { method, ...as('bert') });
      expect([path, answer.status, (await problemOf(answer)).code]).toEqual([path, 404, 'job_not_found']);
    }
    const refine = await api.post(`/jobs/${id}/refine`, { lod: 'final' }, as('bert'));
    expect((await problemOf(refine)).code).toBe('job_not_found');
    expect(((await (await api.get(`/jobs/${id}`, as('anna'))).json()) as Job).status).toBe('queued');
  });

  it('shares its picture with no other key: not as an image, as a source or in a batch', async () => {
    const { image_url } = await finishedJob('anna');
    const filename = new URL(image_url ?? '', api.url).pathname.split('/').pop() ?? '';
    expect((await api.get(`/images/${filename}`, as('bert'))).status).toBe(404);
    expect((await api.get(`/images/${filename}`, as('anna'))).status).toBe(200);
    const body = { prompt: 'x', source: filename };
    const stolen = await problemOf(await api.post('/img2img', body, as('bert')));
    expect(stolen.errors).toEqual([
      { pointer: '/source', detail: 'names a picture that does not exist or was deleted' },
    ]);
    const batch = await problemOf(await api.post('/jobs/batch', { jobs: [{ kind: 'img2img', ...body }] }, as('bert')));
    expect(batch.errors?.[0]?.pointer).toBe('/jobs/0/source');
    expect((await api.post('/img2img', body, as('anna'))).status).toBe(202);
  });
});

it('lets browsers store a picture for the key of the request alone', async () => {
  const { image_url } = await finishedJob('anna');
  const [path = ''] = (image_url ?? '').split('?');
  expect((await api.get(path, as('anna'))).headers.get('vary')).toBe('Authorization, X-API-Key');
});

describe('a signed URL', () => {
  it('shows the picture without a key, to browsers of any origin', async () => {
    const { image_url } = await finishedJob('anna');
    expect(image_url).toMatch(/^\/images\/.*_1\.png\?expires=\d+&day=\d+&key=[\w-]{11}&signature=[\w-]{43}$/);
    const answer = await api.get(image_url ?? '');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    expect((await api.get(`${image_url}&width=64&format=webp`)).headers.get('content-type')).toBe('image/webp');
  });

  it('is stored by shared caches only while it is valid, and not at all when the request has a key', async () => {
    const { image_url } = await finishedJob('anna');
    const cached = async (path: string, init = {}) => (await api.get(path, init)).headers.get('cache-control') ?? '';
    const seconds = Number(/^public, max-age=(\d+), immutable$/.exec(await cached(image_url ?? ''))?.[1]);
    expect(seconds).toBeGreaterThan(86_000);
    expect(seconds).toBeLessThanOrEqual(86_400 + 300);
    const path = (image_url ?? '').split('?')[0] ?? '';
    for (const url of [path, `${path}?signature=x`, image_url ?? '']) {
      expect(await cached(url, as('anna'))).toBe('private, max-age=31536000, immutable');
    }
  });

  it('of the events returns no links that expire later, and leaves out the webhook', async () => {
    const { urls } = await jobOf('anna', { webhook_url: 'https://example.com/hook?token=secret' });
    const link = new URL(urls.events, api.url);
    const soon = Math.floor(Date.now() / 1000) + 120;
    const short = (await api.ledger.urls.signing('anna', soon))(link.pathname);
    const events = readEvents(await api.get(short));
    const { data } = (await events.next()) ?? {};
    expect((data as Job).urls.events).toContain(`expires=${soon}&`);
    expect((data as Job).webhook).toBeNull();
    expect(JSON.stringify(data)).not.toContain('secret');
  });

  it('opens the events without a key, and nothing else', async () => {
    const { id, urls } = await jobOf('anna', { priority: 2 });
    const events = readEvents(await api.get(urls.events));
    expect(await events.next()).toMatchObject({ event: 'status', data: { id, status: 'queued' } });
    await api.get(urls.cancel, { method: 'POST', ...as('anna') });
    expect((await events.rest()).at(-1)).toMatchObject({ data: { status: 'canceled' } });
    const query = urls.events.slice(urls.events.indexOf('?'));
    expect((await api.get(`/jobs/${id}${query}`)).status).toBe(401);
  });

  it.each([
    ['of another path', (url: string) => url.replace(/[0-9a-f]{12}_1/, '000000000000_1')],
    ['with a later expiry', (url: string) => url.replace(/expires=(\d+)/, (_, at) => `expires=${Number(at) + 1}`)],
    ['that has expired', (url: string) => url.replace(/expires=\d+/, 'expires=1700000000')],
    ['of an invalid day', (url: string) => url.replace(/day=\d+/, 'day=999999999')],
    ['of another day', (url: string) => url.replace(/day=(\d+)/, (_, day) => `day=${Number(day) - 1}`)],
    ['of another key', (url: string) => url.replace(/key=.{4}/, 'key=AAAA')],
    ['with a changed signature', (url: string) => url.replace(/signature=.{4}/, 'signature=AAAA')],
    ['without its signature', (url: string) => url.replace(/&signature=.*/, '')],
    ['with an empty signature', (url: string) => url.replace(/signature=.*/, 'signature=')],
  ])('%s is refused', async (_, change) => {
    const { image_url } = await finishedJob('anna');
    const changed = change(image_url ?? '');
    expect(changed).not.toBe(image_url);
    const answer = await api.get(changed);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([401, 'unauthorized']);
  });
});

describe('a key that is revoked', () => {
  it('loses its event streams and signed links, and other keys keep theirs', async () => {
    const own = await startApi(inject('redisUrl'), { keys: [aKey('anna'), aKey('bert')], heartbeatMs: 50 });
    const open = async (id: string) => {
      const answer = await own.post('/generate', { prompt: 'x' }, as(id));
      const { urls } = (await answer.json()) as Job;
      const [byKey, byLink] = [await own.get(`${urls.self}/events`, as(id)), await own.get(urls.events)];
      return { link: urls.events, streams: [readEvents(byKey), readEvents(byLink)] };
    };
    const [anna, bert] = [await open('anna'), await open('bert')];
    await writeFile(own.keysFile, JSON.stringify({ keys: [aKey('bert')] }));
    // Fetch reports a stream that was cut as an error or as its end, whichever it notices first.
    for (const stream of anna.streams) await stream.rest().catch(() => undefined);
    expect((await problemOf(await own.get(anna.link))).code).toBe('unauthorized');
    for (const stream of bert.streams) expect(await stream.next()).toMatchObject({ event: 'status' });
    expect((await own.get(bert.link)).status).toBe(200);
    await own.close();
  });

  it('creates no jobs by a request that was under way', async () => {
    const own = await startApi(inject('redisUrl'), { keys: [aKey('anna')] });
    onTestFinished(() => own.close());
    const headers = { ...as('anna').headers, 'Content-Type': 'application/json', Expect: '100-continue' };
    const sending = request(`${own.url}/generate`, { method: 'POST', headers });
    sending.flushHeaders();
    await once(sending, 'continue'); // the key was accepted
    await writeFile(own.keysFile, JSON.stringify({ keys: [] }));
    await until('the key to be revoked', async () => (await own.get('/jobs', as('anna'))).status === 401);
    sending.end(JSON.stringify({ prompt: 'x' }));
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(401);
    expect(await own.keeper.cancelOpen('anna')).toEqual([]);
  });
});

describe('without API_KEYS_FILE', () => {
  it('returns URLs without signatures', async () => {
    const open = await startApi(inject('redisUrl'));
    const job = await open.accepted();
    expect(job.urls.events).toBe(`/jobs/${job.id}/events`);
    await open.close();
  });

  it.each(['127.0.0.1', '127.8.0.9', 'localhost', '::1'])('may listen on %s', (host) => {
    expect(() => requireKeys({ host, keysFile: undefined, allowAnonymous: false })).not.toThrow();
  });

  it.each(['0.0.0.0', '::', '10.0.0.5', 'example.com', '127.0.0.1.example.com'])('may not listen on %s', (host) => {
    expect(() => requireKeys({ host, keysFile: undefined, allowAnonymous: false })).toThrow(/npm run keys/);
    expect(() => requireKeys({ host, keysFile: undefined, allowAnonymous: true })).not.toThrow();
    expect(() => requireKeys({ host, keysFile: '/keys.json', allowAnonymous: false })).not.toThrow();
  });
});

describe('with IMAGES=public', () => {
  it('serves a picture to anyone who knows its name, but no job', async () => {
    const open = await startApi(inject('redisUrl'), { keys: KEYS, env: { IMAGES: 'public' } });
    const answer = await open.post('/generate', { prompt: 'x' }, as('anna'));
    const { id } = (await answer.json()) as Job;
    await finishJob(open, id);
    expect((await open.get(`/images/${id}_1.png`)).status).toBe(200);
    expect((await open.get(`/jobs/${id}`)).status).toBe(401);
    await open.close();
  });
});
