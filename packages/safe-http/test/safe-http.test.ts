import { getEventListeners, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createSafeHttp } from '../src/index.js';
import { type HostileServer, startHostileServer } from './hostile-server.js';

const http = createSafeHttp({ allow: ['127.0.0.1', 'receiver'], resolve: async () => ['127.0.0.1'] });
const { signal } = new AbortController();
const post = { headers: {}, timeoutMs: 10_000, signal };
const get = { maxBytes: 1000, timeoutMs: 10_000, accept: 'image/png, image/webp', signal };

interface Receiver {
  readonly port: number;
  readonly url: string;
  readonly seen: { readonly request: IncomingMessage; readonly body: Buffer }[];
}

async function receive(answer: (response: ServerResponse) => void): Promise<Receiver> {
  const seen: Receiver['seen'] = [];
  const server = createServer(async (request, response) => {
    seen.push({ request, body: await buffer(request) });
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}/`, seen };
}

async function hostile(): Promise<HostileServer> {
  const server = await startHostileServer();
  onTestFinished(() => server.close());
  return server;
}

describe('post', () => {
  it('sends the body byte for byte and the headers unchanged', async () => {
    const { url, seen } = await receive((response) => response.end('thanks'));
    const body = ' {"text": "Grüße"} \n';
    const headers = { 'Content-Type': 'application/json', 'webhook-id': 'msg_1' };
    const answer = await http.post(url, { ...post, body, headers });
    const durationMs = expect.any(Number);
    expect(answer).toEqual({ status: 200, retryAfter: undefined, answer: 'thanks', isPublic: false, durationMs });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.body.toString()).toBe(body);
    expect(seen[0]?.request.headers).toMatchObject({
      ...{ 'content-type': 'application/json', 'webhook-id': 'msg_1', 'user-agent': 'comfy-fleet' },
      ...{ 'content-length': `${Buffer.byteLength(body)}`, 'accept-encoding': 'identity', connection: 'close' },
    });
  });

  it.each([204, 301, 400, 410, 429, 500, 503])('resolves with the status %i', async (status) => {
    const { url } = await receive((response) =>
      response.writeHead(status, { 'Retry-After': '7', Location: '/' }).end(),
    );
    expect(await http.post(url, { ...post, body: '' })).toMatchObject({ status, retryAfter: '7', answer: '' });
  });

  it('reads no more of the answer than requested, and no half character', async () => {
    const { url } = await receive((response) => response.end('ü'.repeat(2000)));
    const { answer } = await http.post(url, { ...post, body: '', maxAnswerBytes: 101 });
    expect(answer).toBe('ü'.repeat(50));
  });

  it('closes an endless answer after its first bytes', async () => {
    const server = await hostile();
    const { status, answer } = await http.post(`http://127.0.0.1:${server.port}/endless`, { ...post, body: '' });
    expect([status, answer.length]).toEqual([200, 1024]);
    await until('the connection is closed', () => server.open === 0);
  });

  it.each(['slow-body', 'claims-a-terabyte', 'ends-early'])(
    'takes the status of an answer that never ends well: %s',
    async (path) => {
      const server = await hostile();
      const posting = http.post(`http://127.0.0.1:${server.port}/${path}`, { ...post, timeoutMs: 1500, body: '' });
      expect(await posting).toMatchObject({ status: 200, answer: expect.stringMatching(/^(x*|picture)$/) });
      await until('the connection is closed', () => server.open === 0);
    },
  );

  it.each(['silent', 'slow-headers'])('gives up a receiver without a status: %s', async (path) => {
    const server = await hostile();
    const posting = http.post(`http://127.0.0.1:${server.port}/${path}`, { ...post, timeoutMs: 300, body: '' });
    await expect(posting).rejects.toMatchObject({
      code: 'url_unreachable',
      detail: 'The URL did not give its whole answer within 300 ms.',
    });
    await until('the connection is closed', () => server.open === 0);
  });

  it('gives up a receiver that sends informational responses without end, long before its time is over', async () => {
    const server = await hostile();
    const posting = http.post(`http://127.0.0.1:${server.port}/endless-interim`, { ...post, body: '' });
    const detail = 'The host of the URL sends too many responses.';
    await expect(posting).rejects.toMatchObject({ code: 'url_unreachable', detail });
    await until('the connection is closed', () => server.open === 0);
  });

  it('waits for the answer after a few informational responses', async () => {
    const { url } = await receive((response) => {
      for (let n = 0; n < 3; n += 1) response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.end('picture');
    });
    expect((await http.get(url, get)).data.toString()).toBe('picture');
  });

  it('does not reveal the address of a name that refuses connections', async () => {
    const gone = await hostile();
    await gone.close();
    const posting = http.post(`http://receiver:${gone.port}/`, { ...post, body: '' });
    await expect(posting).rejects.toMatchObject({
      code: 'url_unreachable',
      detail: 'The host of the URL refuses the connection.',
    });
  });
});

describe('get', () => {
  it('answers the content, its type and its final URL', async () => {
    const { port, url, seen } = await receive((response) =>
      response.writeHead(200, { 'Content-Type': 'image/png; charset=x' }).end('picture'),
    );
    const first = await receive((response) => response.writeHead(307, { Location: `//receiver:${port}/a#b` }).end());
    expect(await http.get(first.url, get)).toEqual({
      data: Buffer.from('picture'),
      contentType: 'image/png; charset=x',
      url: `http://receiver:${port}/a#b`,
    });
    expect(seen.map(({ request }) => [request.method, request.url, request.headers.host])).toEqual([
      ['GET', '/a', `receiver:${port}`],
    ]);
    expect(seen[0]?.request.headers).toMatchObject({ accept: get.accept, 'accept-encoding': 'identity' });
    expect(url).not.toBe(first.url);
  });

  it('sends no cookies, not even those of a redirect', async () => {
    const { url, seen } = await receive((response) => response.end('picture'));
    const first = await receive((response) =>
      response.writeHead(302, { Location: url, 'Set-Cookie': 'session=1; Path=/' }).end(),
    );
    await http.get(first.url, get);
    expect(seen[0]?.request.headers).not.toHaveProperty('cookie');
  });

  it('accepts content of exactly the maximum size', async () => {
    const { url } = await receive((response) => response.end(Buffer.alloc(1000)));
    expect((await http.get(url, get)).data).toHaveLength(1000);
    await expect(http.get(url, { ...get, maxBytes: 999 })).rejects.toMatchObject({ code: 'url_unreachable' });
  });

  it('follows as many redirects as allowed', async () => {
    const { url } = await receive((response) => response.writeHead(302, { Location: '/' }).end());
    await expect(http.get(url, { ...get, maxRedirects: 0 })).rejects.toMatchObject({
      detail: 'The URL redirects more than 0 times.',
    });
  });

  it('asks DNS once for each connection', async () => {
    const { port } = await receive((response) => response.end('picture'));
    const asked: string[] = [];
    const counting = createSafeHttp({
      allow: ['127.0.0.1'],
      resolve: async (host) => {
        asked.push(host);
        return ['127.0.0.1'];
      },
    });
    await counting.get(`http://public.example:${port}/`, get);
    await counting.get(`http://public.example.:${port}/`, get);
    expect(asked).toEqual(['public.example', 'public.example']);
  });

  it('fails when DNS is silent', async () => {
    const silent = createSafeHttp({ allow: [], resolve: () => new Promise(() => undefined) });
    await expect(silent.get('http://public.example/', { ...get, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'url_unreachable',
      detail: 'The URL did not give its whole answer within 50 ms.',
    });
  });

  it('resolves an allowed name like the system, including the hosts file', async () => {
    const { port } = await receive((response) => response.end('picture'));
    const plain = createSafeHttp({ allow: [`localhost:${port}`] });
    expect((await plain.get(`http://localhost:${port}/`, get)).data.toString()).toBe('picture');
  });

  it("throws the signal's reason, before and during the request", async () => {
    const server = await hostile();
    const url = `http://127.0.0.1:${server.port}/silent`;
    const gone = new Error('the caller is gone');
    await expect(http.get(url, { ...get, signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
    expect(server.connections).toBe(0);
    const caller = new AbortController();
    const getting = http.get(url, { ...get, signal: caller.signal });
    const posting = http.post(url.replace('silent', 'slow-body'), { ...post, body: '', signal: caller.signal });
    const thrown = [expect(getting).rejects.toBe(gone), expect(posting).rejects.toBe(gone)];
    await until('both have connected', () => server.connections === 2);
    caller.abort(gone);
    await Promise.all(thrown);
    await until('both connections are closed', () => server.open === 0);
  });
});

describe('content in very small chunks', () => {
  const large = { ...get, maxBytes: 1024 * 1024 * 1024 };

  it('is refused, even if its reader sees several as one', async () => {
    const server = await hostile();
    const url = `http://127.0.0.1:${server.port}/small-chunks`;
    const slowly = async (content: AsyncIterable<Uint8Array>) => {
      for await (const _ of content) await yieldToEventLoop();
    };
    const read = { prepare: (to: URL) => ({ url: to, headers: {} }), idleMs: 10_000, signal };
    for (const answer of [
      http.get(url, large),
      http.stream(url, large, slowly),
      http.read(url, read, ({ content }) => slowly(content)),
    ]) {
      const detail = 'The host of the URL sends its content in very small chunks.';
      await expect(answer).rejects.toMatchObject({ code: 'url_unreachable', detail });
    }
    await until('the connections are closed', () => server.open === 0);
  });
});

describe('a signal that outlives its request', () => {
  it('is released', async () => {
    const { url } = await receive((response) => response.end('picture'));
    const caller = new AbortController();
    await http.get(url, { ...get, signal: caller.signal });
    await http.post(url, { ...post, body: '', signal: caller.signal });
    expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
  });
});

describe('the environment', () => {
  it('cannot insert a proxy', async () => {
    const proxy = await hostile();
    const { url } = await receive((response) => response.end('picture'));
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy', 'HTTPS_PROXY', 'https_proxy'])
      vi.stubEnv(name, `http://127.0.0.1:${proxy.port}`);
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await http.get(url, get)).data.toString()).toBe('picture');
    expect(proxy.connections).toBe(0);
  });
});
