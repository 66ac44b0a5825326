import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
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

  it('can when CORS_ORIGINS names it, and so can pages of the API and clients other than browsers', async () => {
    const api = await open({ env: { CORS_ORIGINS: 'https://app.example' } });
    const own = from('same-origin', api.url);
    for (const headers of [from('cross-site', 'https://app.example'), own, {}]) {
      expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers })).status).toBe(200);
    }
    expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers: EVIL })).status).toBe(403);
  });

  it('is recognised by its Origin when the browser sends no Fetch Metadata, as for plain http addresses', async () => {
    const api = await open({ env: { CORS_ORIGINS: 'https://app.example', PUBLIC_URL: 'https://comfy.example/api' } });
    const pause = async (origin: string) =>
      (await fetch(`${api.url}/admin/pause`, { method: 'POST', headers: { origin } })).status;
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1:1',
      `http://127.0.0.1:${api.port}.evil.example`,
    ])
      expect([origin, await pause(origin)]).toEqual([origin, 403]);
    for (const origin of [api.url, 'https://comfy.example', 'https://app.example'])
      expect([origin, await pause(origin)]).toEqual([origin, 200]);
  });

  it('cannot reach the API through a domain of its own', async () => {
    const api = await open();
    const ask = async (...hosts: string[]) => {
      const headers = hosts.flatMap((host) => ['Host', host]);
      const sent = request({
        port: api.port,
        path: '/admin',
        setHost: false,
        headers: [...headers, 'Connection', 'close'],
      });
      const [answer] = (await once(sent.end(), 'response')) as [IncomingMessage];
      return [answer.statusCode, (JSON.parse(await text(answer)) as { code?: string }).code];
    };
    expect(await ask('evil.example')).toEqual([421, 'wrong_host']);
    expect(await ask(`localhost:${api.port}`)).toEqual([200, undefined]);
    expect(await ask('localhost', 'evil.example')).toEqual([400, 'malformed_request']);
  });

  it('can with a valid key', async () => {
    const api = await open({ keys: [aKey('root', { scopes: ['admin'] })] });
    const headers = { ...as('root').headers, ...EVIL };
    expect((await fetch(`${api.url}/admin/pause`, { method: 'POST', headers })).status).toBe(200);
  });
});
