import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FleetError } from '@comfy-fleet/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { createSafeHttp } from '../src/index.js';

const { signal } = new AbortController();
const post = { body: '', headers: {}, timeoutMs: 10_000, signal };

/** A service of ours on loopback that counts its requests. */
async function aService() {
  const service = { port: 0, requests: 0 };
  const server = createServer((_request, response) => {
    service.requests += 1;
    response.end('secret');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  service.port = (server.address() as AddressInfo).port;
  return service;
}

it.each([
  ['127.0.0.0/8', 'http://127.0.0.1:8188/interrupt'],
  ['127.0.0.1:8188', 'http://127.0.0.1:8188/interrupt'],
  ['::1', 'http://[::1]:8188/interrupt'],
  ['comfyui', 'http://comfyui:8188/interrupt'],
  ['gpu.example:8188', 'http://gpu.example:8188/interrupt'],
])('refuses a port of our own although %s is allowed: %s', (allow, url) => {
  const refusal = createSafeHttp({ allow: [allow], ownPorts: [8188] }).refusal(url);
  expect(refusal).toBe('The URL must not name the port 8188 of a private host: services of this fleet use it.');
  expect(createSafeHttp({ allow: [allow], ownPorts: [8189] }).refusal(url)).toBeUndefined();
});

it('does not reveal our ports if the host itself is not allowed', () => {
  const { refusal } = createSafeHttp({ allow: [], ownPorts: [8188] });
  expect(refusal('http://10.0.0.1:8188/')).toBe('The address in the URL is not a public one.');
  expect(refusal('http://8.8.8.8:8188/')).toBeUndefined();
});

it('sends nothing to our own port when a public name resolves to an allowed address', async () => {
  const service = await aService();
  const options = { allow: ['127.0.0.0/8'], resolve: async () => ['127.0.0.1'] };
  const url = `http://receiver.example:${service.port}/interrupt`;
  const guarded = createSafeHttp({ ...options, ownPorts: [service.port] });
  await expect(guarded.post(url, post)).rejects.toMatchObject({ code: 'url_not_allowed' });
  expect(service.requests).toBe(0);
  expect(await createSafeHttp(options).post(url, post)).toMatchObject({ status: 200, isPublic: false });
});

it('sends nothing to an announced port, from the first request on and even after the announcement ends', async () => {
  const service = await aService();
  const announced = [service.port];
  const http = createSafeHttp({ allow: ['127.0.0.0/8'], announcedPorts: async () => announced });
  const url = `http://127.0.0.1:${service.port}/interrupt`;
  await expect(http.post(url, post)).rejects.toMatchObject({ code: 'url_not_allowed' });
  announced.length = 0;
  await expect(http.post(url, post)).rejects.toMatchObject({ code: 'url_not_allowed' });
  expect(http.refusal(url)).toContain('services of this fleet');
  expect(service.requests).toBe(0);
});

it('sends nothing while the announced ports cannot be read', async () => {
  const service = await aService();
  const announcedPorts = () => Promise.reject(new FleetError('queue_unavailable', 'Redis is away.'));
  const http = createSafeHttp({ allow: ['127.0.0.0/8'], announcedPorts });
  await expect(http.post(`http://127.0.0.1:${service.port}/`, post)).rejects.toMatchObject({
    code: 'queue_unavailable',
  });
  expect(service.requests).toBe(0);
});
