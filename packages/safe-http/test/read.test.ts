import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { Connections, createSafeHttp, type Reading } from '../src/index.js';

const { signal } = new AbortController();
const options = { prepare: (url: URL) => ({ url, headers: {} }), idleMs: 10_000, signal };
const whole = async ({ content }: Reading) => (await buffer(content)).toString();

async function serve(answer: RequestListener) {
  const seen: IncomingMessage[] = [];
  const sockets = new Set<unknown>();
  const server = createServer((request, response) => {
    seen.push(request);
    sockets.add(request.socket);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const http = createSafeHttp({ allow: [`127.0.0.1:${port}`] });
  return { http, url: `http://127.0.0.1:${port}/`, seen, sockets };
}

it('asks for the headers and the query of each URL of a chain of redirects, and tells which answer had a header', async () => {
  const { http, url, seen } = await serve((request, response) => {
    if (request.url?.startsWith('/first')) response.writeHead(302, { Location: '/second', 'X-Hash': 'abc' }).end();
    else response.writeHead(200, { 'X-Hash': 'def' }).end('content');
  });
  const prepare = (to: URL) => ({
    url: new URL(`?token=${to.pathname.slice(1)}`, to),
    headers: { Authorization: to.pathname },
  });
  const found = await http.read(`${url}first`, { ...options, prepare }, async (reading) => ({
    status: reading.status,
    url: reading.url,
    hash: reading.firstHeader('x-hash'),
    text: await whole(reading),
  }));
  const hash = { value: 'abc', url: `${url}first` };
  expect(found).toEqual({ status: 200, url: `${url}second`, hash, text: 'content' });
  expect(seen.map((request) => [request.url, request.headers.authorization])).toEqual([
    ['/first?token=first', '/first'],
    ['/second?token=second', '/second'],
  ]);
});

it('answers any status', async () => {
  const { http, url } = await serve((_request, response) => response.writeHead(503, { 'Retry-After': '7' }).end());
  const retryAfter = http.read(url, options, async ({ status, header }) => [status, header('retry-after')]);
  expect(await retryAfter).toEqual([503, '7']);
});

it('uses one connection for several requests if their answers are read to the end', async () => {
  const { http, url, sockets } = await serve((_request, response) => response.end('content'));
  const connections = new Connections();
  onTestFinished(() => connections.close());
  for (let count = 0; count < 3; count += 1) await http.read(url, { ...options, connections }, whole);
  expect(sockets.size).toBe(1);
});

it('gives up on an answer whose content stops coming', async () => {
  const { http, url } = await serve((_request, response) => response.writeHead(200).write('begin'));
  const reading = http.read(url, { ...options, idleMs: 50 }, whole);
  await expect(reading).rejects.toMatchObject({ code: 'url_unreachable', detail: expect.stringContaining('50 ms') });
});

it('does not count the time that the reader takes', async () => {
  const { http, url } = await serve((_request, response) => response.end('content'));
  const slowly = http.read(url, { ...options, idleMs: 1000 }, async (reading) => {
    await new Promise((resolve) => setTimeout(resolve, 1200));
    return whole(reading);
  });
  expect(await slowly).toBe('content');
});

it('refuses a redirect to a private address', async () => {
  const { http, url, seen } = await serve((_request, response) =>
    response.writeHead(302, { Location: 'http://10.0.0.1/' }).end(),
  );
  await expect(http.read(url, options, whole)).rejects.toMatchObject({ code: 'url_not_allowed' });
  expect(seen).toHaveLength(1);
});

it('ends with the reason of its signal', async () => {
  const { http, url } = await serve((_request, response) => response.writeHead(200).write('begin'));
  const stopping = new AbortController();
  const reading = http.read(url, { ...options, signal: stopping.signal }, async (answer) => {
    stopping.abort(new Error('stopped'));
    return whole(answer);
  });
  await expect(reading).rejects.toThrow('stopped');
});
