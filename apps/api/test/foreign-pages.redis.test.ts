import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';

async function open(options: Parameters<typeof startApi>[1] = {}): Promise<TestApi> {
  const api = await startApi(inject('redisUrl'), options);
  onTestFinished(() => api.close());
  return api;
}

const from = (site: string, origin: string) => ({ 'sec-fetch-site': site, origin });
const EVIL = from('cross-site', 'https://evil.example');

describe('a page of another origin', () => {
  it('cannot pause, order or upload on an API without keys', async () => {
    const api = await open();
    for (const path of ['/admin/pause', '/generate', '/img2img']) {
      const answer = await fetch(`${api.url}${path}`, { method: 'POST', headers: EVIL });
      expect([path, answer.status, (await problemOf(answer)).code]).toEqual([path, 403, 'forbidden']);
    }
    const neighbour = from('same-site', 'http://127.0.0.1:5000');
    expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers: neighbour })).status).toBe(403);
    expect((await fetch(`${api.url}/admin`)).status).toBe(200);
  });

  it('can when CORS_ORIGINS names it, as can a page of the API and whoever is no browser', async () => {
    const api = await open({ env: { CORS_ORIGINS: 'https://app.example' } });
    const own = from('same-origin', api.url);
    for (const headers of [from('cross-site', 'https://app.example'), own, {}]) {
      expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers })).status).toBe(200);
    }
    expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers: EVIL })).status).toBe(403);
  });

  it('can with a key, which it has to know', async () => {
    const api = await open({ keys: [aKey('root', { scopes: ['admin'] })] });
    const headers = { ...as('root').headers, ...EVIL };
    expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers })).status).toBe(200);
  });
});
