import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { loadConfig } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { comfyuiDialect } from '../src/facades/comfyui/dialect.js';
import { expressApp } from '../src/server/express-app.js';
import { createGate } from '../src/server/gate.js';
import { createOpenStreams } from '../src/server/key-limits.js';
import { listen } from '../src/server/listen.js';
import { createInstruments } from '../src/server/locals.js';
import type { SocketRoute } from '../src/server/sockets.js';
import { createComputing } from '../src/server/turns.js';
import { aKey } from './api.js';

interface Served extends Partial<Pick<SocketRoute, 'connect' | 'basic'>> {
  readonly withKeys?: boolean;
  readonly refusal?: FleetError;
  readonly most?: number;
}

/** Opens sockets at /comfyui/ws for anna. */
async function serve({ withKeys = false, refusal, most = 10, ...route }: Served = {}) {
  const log = createLogger({ service: 'api', level: 'error', format: 'json', stream: new Writable() });
  const metrics = createMetrics({ service: 'api', log });
  const instruments = createInstruments(metrics);
  const stopping = new AbortController();
  const known = new Map([['anna', aKey('anna')]]);
  const keys = { find: (key: string) => known.get(key), all: () => [...known.values()] };
  const app = expressApp([], {
    hosts: () => undefined,
    gate: createGate({
      keys: withKeys ? keys : undefined,
      defaults: { requestsPerMinute: 1, jobsWaiting: 1, jobsReserved: 1, jobsRunning: 1, uploadBytesPerDay: 1 },
      urls: { verify: async () => false, sign: () => expect.fail('nothing is signed') } as never,
      publicImages: false,
      corsOrigins: [],
      publicUrl: undefined,
    }),
    meter: async () => ({ headers: {}, refusal }),
    instruments,
    dialects: [comfyuiDialect],
    readmitMs: 10,
    log,
    limits: {
      ...loadConfig({}).http,
      maxWorkflowBytes: 100,
      maxPromptBytes: 100,
      maxImageBytes: 100,
      maxAssetBytes: 100,
    },
    receive: () => expect.fail('no file was sent'),
    computing: createComputing(),
    corsOrigins: [],
    pages: [],
    sockets: [{ path: '/comfyui/ws', access: 'jobs', connect: (socket) => socket.send('hello'), ...route }],
    downloads: () => () => {},
    openSockets: {
      streams: createOpenStreams({ most, mostOfKey: 1, reservedForKey: 0 }, instruments.streams),
      heartbeatMs: 100,
      stopping: stopping.signal,
    },
  });
  const server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
  onTestFinished(() => server.close(0));
  server.serve(app);
  const url = `ws://127.0.0.1:${server.port}/comfyui/ws`;
  return { url, port: server.port, server, stopping, metrics, known };
}

/** The status and body of the refusal of a socket. */
async function refused(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(await text(answer)) };
}

async function opened(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  onTestFinished(() => socket.terminate());
  const [message] = await once(socket, 'message');
  expect(`${message}`).toBe('hello');
  return socket;
}

const basic = (pair: string) => ({ Authorization: `Basic ${Buffer.from(pair).toString('base64')}` });

describe('a socket', () => {
  it('opens for a key, whatever the case of its path, and is passed to its handler', async () => {
    const callers: string[] = [];
    const { url } = await serve({
      withKeys: true,
      connect: (socket, { caller, query }) => {
        callers.push(`${caller.id} ${query.get('clientId')}`);
        socket.send('hello');
      },
    });
    await opened(`${url.toUpperCase().replace('WS://', 'ws://')}/?clientId=c`, { Authorization: 'Bearer anna' });
    expect(callers).toEqual(['anna c']);
  });

  it.each([
    [401, {}, 'unauthorized'],
    [401, { 'X-API-Key': 'bert' }, 'unauthorized'],
    [401, basic('x:anna'), 'unauthorized'],
  ])('is refused %s with %o in the error format of its API', async (status, headers, type) => {
    const answer = await refused((await serve({ withKeys: true })).url, headers as Record<string, string>);
    expect(answer).toMatchObject({ status, body: { error: { type }, node_errors: {} } });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it('opens with HTTP Basic where its route accepts that, but not for pages of other origins', async () => {
    const { url } = await serve({ withKeys: true, basic: true });
    await opened(url, basic('x:anna'));
    expect(await refused(url, { ...basic('anna:'), Origin: 'https://evil.example' })).toMatchObject({ status: 403 });
  });

  it('does not open for pages of other origins when there are no keys', async () => {
    const { url } = await serve();
    expect(await refused(url, { Origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { error: { type: 'forbidden' } },
    });
    await opened(url);
  });

  it('is refused with Retry-After when the key sent too many requests, and with 404 at other paths', async () => {
    const refusal = new FleetError('rate_limited', 'Too many.', { retryAfterSeconds: 7 });
    const { url } = await serve({ refusal });
    expect(await refused(url)).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
    expect(await refused(`${url}/no`)).toMatchObject({ status: 404, body: { error: { type: 'not_found' } } });
  });

  it('is refused with a readable response while the client sends a lot, and is closed even if the client keeps it open', async () => {
    const { port, server } = await serve({ withKeys: true });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    const head = 'GET /comfyui/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    socket.write(`${head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    await new Promise((resolve) => socket.write(Buffer.alloc(8 * 1024 ** 2), resolve));
    const [answer] = await once(socket, 'data');
    expect(`${answer}`).toMatch(/^HTTP\/1\.1 401 /);
    await server.close(2 ** 31 - 1); // waits until the connection is closed
  });

  it('no longer counts as a stream when it closes', async () => {
    const { url, metrics } = await serve({ most: 1 });
    const first = await opened(url);
    expect(await refused(url)).toMatchObject({ status: 503, body: { error: { type: 'overloaded' } } });
    expect(await metrics.scrape()).toMatch(/event_streams[^\n]* 1\n/);
    first.close();
    await until('its stream to be released', () =>
      opened(url).then(
        () => true,
        () => false,
      ),
    );
  });

  it('is pinged, and is closed with 1001 when the process is stopping', async () => {
    const { url, stopping, server } = await serve();
    const socket = await opened(url);
    await once(socket, 'ping');
    stopping.abort();
    const [code] = await once(socket, 'close');
    expect(code).toBe(1001);
    await server.close(60_000);
  });

  it.each([
    ['was revoked', undefined],
    ['lost the scope', aKey('anna', { scopes: ['admin'] })],
  ])('is closed with 1008 when its key %s', async (_how, now) => {
    const { url, known } = await serve({ withKeys: true });
    const socket = await opened(url, { Authorization: 'Bearer anna' });
    await once(socket, 'ping');
    expect(socket.readyState).toBe(WebSocket.OPEN);
    if (now === undefined) known.delete('anna');
    else known.set('anna', now);
    const [code] = await once(socket, 'close');
    expect(code).toBe(1008);
  });

  it('that does not answer the close frame is terminated when the server closes', async () => {
    const { port, stopping, server } = await serve();
    const socket = connect(port, '127.0.0.1');
    const head = 'GET /comfyui/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    socket.write(`${head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    await once(socket, 'data');
    stopping.abort();
    await server.close(0);
    socket.resume();
    await once(socket, 'close');
  });

  it('is closed with 1009 after a message that is too long', async () => {
    const { url } = await serve();
    const socket = await opened(url);
    socket.send('x'.repeat(16 * 1024 + 1));
    const [code] = await once(socket, 'close');
    expect(code).toBe(1009);
  });

  it.each([
    ['messages', (socket: WebSocket) => socket.send('x'.repeat(1000))],
    ['pings', (socket: WebSocket) => socket.ping('x'.repeat(100))],
    ['pongs', (socket: WebSocket) => socket.pong('x'.repeat(100))],
    ['empty pieces of one message', (socket: WebSocket) => socket.send('', { fin: false })],
  ])('is closed with 1008 and no longer read after more %s than its client may send', async (_what, send) => {
    let seen = 0;
    const connect: SocketRoute['connect'] = (socket) => {
      for (const event of ['message', 'ping', 'pong'] as const) {
        socket.on(event, () => {
          seen += 1;
        });
      }
    };
    const { url, server } = await serve({ connect });
    const socket = new WebSocket(url);
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    for (let n = 0; n < 15_000; n++) send(socket);
    const [code] = await once(socket, 'close');
    expect(code).toBe(1008);
    expect(seen).toBeLessThan(5000);
    await server.close(2 ** 31 - 1); // waits until all connections are closed
  });

  it('stays open after the largest allowed burst of messages', async () => {
    const { url } = await serve({ connect: (socket) => socket.on('message', () => socket.send('got it')) });
    const socket = new WebSocket(url);
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    let answers = 0;
    socket.on('message', () => {
      answers += 1;
    });
    for (let n = 0; n < 49; n++) socket.send('x');
    await until('all to be answered', () => answers === 49);
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe('a request that offers an upgrade to a protocol other than WebSocket', () => {
  it.each([
    ['', 'GET /x '],
    ['the body', 'POST /x the body'],
  ])(
    'is answered without the upgrade, with the body %o, and so is the next on its connection',
    async (body, expected) => {
      const server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
      onTestFinished(() => server.close(0));
      const echo = async (request: IncomingMessage) => `${request.method} ${request.url} ${await text(request)}`;
      server.serve((request, response) => void echo(request).then((told) => response.end(told)));
      const socket = connect(server.port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      const method = body === '' ? 'GET' : 'POST';
      const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
      socket.write(
        `${method} /x HTTP/1.1\r\nHost: x\r\n${offer}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 3)}`,
      );
      let told = '';
      socket.on('data', (chunk) => {
        told += chunk;
      });
      socket.write(body.slice(3));
      await until('the answer', () => told.includes(expected));
      socket.write('GET /next HTTP/1.1\r\nHost: x\r\n\r\n');
      await until('the next answer', () => told.includes('GET /next '));
    },
  );
});
