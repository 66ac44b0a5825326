import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LINGER_MS, listen, MAX_PIPELINED } from '../src/server/listen.js';

const MIB = 1024 ** 2;
/** The maximum delay of a timer. */
const FOREVER_MS = 2 ** 31 - 1;

async function serve(app: RequestListener, idleMs = 60_000) {
  const server = await listen({ host: '127.0.0.1', port: 0, idleMs });
  server.serve(app);
  onTestFinished(() => server.close(0));
  return { port: server.port, close: server.close };
}

/** A client that does not close its side when the server closes its own. */
function clientOf(port: number) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  socket.on('error', () => {}); // a reset, no later than when the client sends again
  onTestFinished(() => void socket.destroy());
  return {
    socket,
    send: (data: string | Buffer) => new Promise<void>((resolve) => socket.write(data, () => resolve())),
    text: () => text,
    /** The server has ended or reset the connection. */
    ended: new Promise<void>((resolve) => socket.once('end', resolve).once('close', () => resolve())),
    /** Keeps sending single bytes until the connection is closed. */
    trickled: async () => {
      const timer = setInterval(() => socket.write('x'), 20);
      await new Promise((resolve) => socket.once('close', resolve));
      clearInterval(timer);
    },
  };
}

type Client = ReturnType<typeof clientOf>;

const refusing: RequestListener = (_request, response) => {
  response.writeHead(401, { 'Content-Length': 2 }).end('no');
};
const REFUSED = /HTTP\/1\.1 401 .*\r\nConnection: close\r\n.*no$/is;
const head = (bytes: number, more = '') => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n${more}\r\n`;

describe('a connection whose request is answered before its body has arrived', () => {
  it.each(['', 'Expect: 100-continue\r\n'])(
    'is closed although the client goes on sending slowly, and its answer says so (%j)',
    async (more) => {
      const client = clientOf((await serve(refusing)).port);
      await client.send(head(MIB, more));
      await client.trickled();
      expect(client.text()).toMatch(REFUSED);
    },
  );

  it('is closed even if the client sends nothing more', async () => {
    const { port, close } = await serve(refusing);
    const client = clientOf(port);
    await client.send(head(MIB));
    await client.ended;
    await close(FOREVER_MS);
  });

  it.each([
    ['before any of the body is read', refusing],
    [
      'after the first bytes of the body',
      (request, response) => request.once('data', () => refusing(request, response)),
    ],
  ] as [string, RequestListener][])(
    'is not reset while the client sends a large body, refused %s',
    async (_when, app) => {
      // A busy machine may need longer than the server waits for the rest of the body.
      vi.useFakeTimers({ toFake: ['setTimeout'] });
      onTestFinished(() => void vi.useRealTimers());
      const client = clientOf((await serve(app)).port);
      client.socket.pause();
      await client.send(head(16 * MIB));
      await client.send(Buffer.alloc(16 * MIB));
      client.socket.resume();
      await client.ended;
      expect(client.text()).toMatch(REFUSED);
    },
  );

  it('serves no request that follows that body', async () => {
    const seen: unknown[] = [];
    const { port, close } = await serve((request, response) => {
      seen.push(request.url);
      refusing(request, response as never);
    });
    const client = clientOf(port);
    await client.send(head(2));
    await until('the answer', () => client.text().endsWith('no'));
    await client.send('okGET /second HTTP/1.1\r\nHost: x\r\n\r\n');
    await close(FOREVER_MS);
    expect(seen).toEqual(['/']);
  });

  it('is closed when the client does not read a large response, even if it keeps sending', async () => {
    const large = Buffer.alloc(64 * MIB);
    const client = clientOf((await serve((_request, response) => void response.end(large), 200)).port);
    client.socket.pause();
    await client.send(head(MIB));
    await client.trickled();
  });
});

it.each([
  ['when it closes its side of the connection', 64 * MIB, '', 60_000, ({ socket }: Client) => void socket.end()],
  ['when it does nothing for too long', 64 * MIB, '', 200, () => {}],
  // The kernel accepts these at once, so that the server has nothing left to do.
  ['although it wanted no other', MIB, 'Connection: close\r\n', 200, () => {}],
  ['although it wanted another protocol', MIB, 'Connection: Upgrade\r\nUpgrade: websocket\r\n', 200, () => {}],
  ['although it keeps sending', MIB, 'Connection: close\r\n', 200, (client: Client) => void client.trickled()],
  ['although the rest of the body did not come', MIB, 'Content-Length: 1\r\n', 2 * LINGER_MS, () => {}],
])('what a client has not read of a response is dropped %s', async (_when, bytes, more, idleMs, then) => {
  let closed: Promise<unknown> | undefined;
  const app: RequestListener = (request, response) => {
    closed = once(request.socket, 'close');
    response.setHeader('Content-Length', bytes).end(Buffer.alloc(bytes));
  };
  const client = clientOf((await serve(app, idleMs)).port);
  const { socket, send, ended } = client;
  socket.pause();
  await send(`GET / HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
  await until('the request', () => closed !== undefined);
  then(client);
  await closed;
  socket.resume();
  await ended;
  // What the server's kernel keeps for a client would still arrive, 4 MB by default.
  expect(socket.bytesRead).toBeLessThan(MIB);
});

it('a connection stays open when requests arrive with their whole bodies, one after the other or all at once', async () => {
  const reading: RequestListener = (request, response) => {
    request.resume().once('end', () => response.end('yes'));
  };
  const client = clientOf((await serve(reading)).port);
  await client.send(`${head(2)}ok`);
  await until('the first answer', () => client.text().endsWith('yes'));
  await client.send(`${head(2)}ok${head(2)}ok`);
  await until('all answers', () => client.text().split('yes').length === 4);
  expect(client.text()).not.toMatch(/connection: close/i);
});

describe('a connection on which a client does not wait for responses', () => {
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const answering = async () => {
    const held: ServerResponse[] = [];
    const { port } = await serve((_request, response) => void held.push(response));
    return { client: clientOf(port), held, port };
  };

  it('is closed when too many requests arrive, and only the first reaches the app', async () => {
    const { client, held, port } = await answering();
    const other = clientOf(port);
    await other.send(request);
    await until('the request of another connection', () => held.length === 1);
    const closed = new Promise((resolve) => client.socket.once('close', resolve));
    await client.send(request.repeat(20_000));
    await closed;
    expect(held).toHaveLength(2);
    held[0]?.end('yes');
    await until('the answer of the other connection', () => other.text().endsWith('yes'));
  });

  it('stays open for the maximum number of requests, which are served one after the other, repeatedly', async () => {
    const { client, held } = await answering();
    for (const round of [1, 2, 3]) {
      await client.send(request.repeat(MAX_PIPELINED));
      for (let sent = 0; sent < MAX_PIPELINED; sent++) {
        await until('the next request', () => held.length === 1);
        held.pop()?.end('yes');
      }
      await until('all answers', () => client.text().split('yes').length === 1 + round * MAX_PIPELINED);
    }
  });
});

it('a request that waits behind another one is not started when the connection closes, or when the other is its last', async () => {
  const seen: ServerResponse[] = [];
  const { port, close } = await serve((_request, response) => void seen.push(response));
  const both = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2);
  for (const end of [
    (client: ReturnType<typeof clientOf>) => client.socket.destroy(),
    () => seen.at(-1)?.setHeader('Connection', 'close').end('yes'),
  ]) {
    const client = clientOf(port);
    const before = seen.length;
    await client.send(both);
    await until('the first request', () => seen.length === before + 1);
    const closed = new Promise((resolve) => seen.at(-1)?.once('close', resolve));
    end(client);
    await closed;
  }
  await close(FOREVER_MS);
  expect(seen).toHaveLength(2);
});

it('a connection without valid HTTP is answered and closed, even if the client sends nothing more', async () => {
  const { port, close } = await serve(refusing);
  const client = clientOf(port);
  await client.send('what?\r\n\r\n');
  await client.ended;
  expect(client.text()).toMatch(/^HTTP\/1\.1 400 /);
  await close(FOREVER_MS);
});
