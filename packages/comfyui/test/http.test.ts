import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createComfyClient, SubmissionUnknown } from '../src/index.js';
import { clientOf, failureOf, never } from './support/client.js';
import { listen } from './support/listen.js';
import { serve } from './support/local-server.js';

const EMPTY_QUEUE = '{"queue_running":[],"queue_pending":[]}';
const NOTHING = { running: [], pending: [] };

/** A peer on a plain socket: `onRequest` gets each complete request and the number of its connection. */
async function servePlainly(onRequest: (socket: Socket, connection: number) => void) {
  const sockets: Socket[] = [];
  const seen: string[] = [];
  const server = createServer((socket) => {
    const connection = sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      seen.push(data.toString());
      onRequest(socket, connection);
    });
  });
  return { ...(await listen(server)), sockets, seen };
}

const answer = (body: string, head = '') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${head}\r\n${body}`;

describe('a request', () => {
  it('uses the path of the base URL, with its user and password', async () => {
    const server = await serve((_request, response) => response.end(EMPTY_QUEUE));
    const url = `${server.url.replace('//', '//me:my%20word@')}/gpu/0/`;
    expect(await clientOf(url).queue(never())).toEqual(NOTHING);
    expect(server.seen[0]).toMatchObject({
      url: '/gpu/0/queue',
      headers: { authorization: `Basic ${Buffer.from('me:my word').toString('base64')}` },
    });
  });

  it('has the headers of the instance instead of the usual ones, but never asks for compression', async () => {
    const server = await serve((_request, response) => response.end(EMPTY_QUEUE));
    const headers = { 'USER-AGENT': 'browser', 'Accept-Encoding': 'gzip' };
    const client = createComfyClient({ baseUrl: server.url, instance: 'gpu/1', headers, timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    await client.queue(never());
    await clientOf(server.url).queue(never());
    expect(server.seen.map((request) => [request.headers['user-agent'], request.headers['accept-encoding']])).toEqual([
      ['browser', 'identity'],
      ['comfy-fleet', 'identity'],
    ]);
  });

  it('uses one of 16 connections, and is never sent when it is aborted while it waits for one', async () => {
    const held: (() => void)[] = [];
    const server = await servePlainly((socket) => held.push(() => socket.write(answer(EMPTY_QUEUE))));
    const client = clientOf(server.url);
    const others = Array.from({ length: 16 }, () => client.queue(never()));
    const abort = new AbortController();
    const aborted = client.interrupt('p', abort.signal);
    const waiting = client.queue(never());
    await until('16 requests', () => held.length === 16);
    const reason = new Error('nobody wants it any more');
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    for (const release of held.splice(0)) release();
    await Promise.all(others);
    await until('the request that waited', () => held.length === 1);
    held[0]?.();
    expect(await waiting).toEqual(NOTHING);
    expect(server.seen.filter((request) => request.includes('interrupt'))).toEqual([]);
  });

  it('uses a new connection when the peer has closed the kept one', async () => {
    const server = await servePlainly((socket) => socket.end(answer(EMPTY_QUEUE)));
    const client = clientOf(server.url);
    for (let times = 1; times <= 3; times += 1) {
      expect(await client.queue(never())).toEqual(NOTHING);
      expect([server.sockets.length, server.seen.length]).toEqual([times, times]);
      await until('it is closed on both sides', () => server.sockets.at(-1)?.closed);
    }
  });

  it('is not sent again when the peer closes the kept connection instead of answering', async () => {
    const server = await servePlainly((socket) => {
      if (server.seen.length === 1) socket.write(answer(EMPTY_QUEUE));
      else socket.destroy();
    });
    const client = clientOf(server.url);
    await client.queue(never());
    await yieldToEventLoop(); // undici takes a connection up again a turn later
    const error = await failureOf(client.submit({}, { promptId: 'p', clientId: 'c', signal: never() }));
    expect(error).toBeInstanceOf(SubmissionUnknown);
    expect(error.detail).toBe('The ComfyUI instance gpu/1 broke off the connection.');
    expect(server.sockets).toHaveLength(1);
    expect(await failureOf(client.queue(never()))).toMatchObject({ code: 'instance_unreachable' });
    expect(server.seen.map((request) => request.split(' ', 2).join(' '))).toEqual([
      'GET /queue',
      'POST /prompt',
      'GET /queue',
    ]);
  });
});

describe('an answer', () => {
  it('is read without its byte order mark', async () => {
    const server = await serve((_request, response) => response.end(`\ufeff${EMPTY_QUEUE}`));
    expect(await clientOf(server.url).queue(never())).toEqual(NOTHING);
  });

  it.each([
    ['of a known length', 'Content-Length: 100\r\n\r\n{"queue'],
    ['of a known length on a connection that is not kept', 'Connection: close\r\nContent-Length: 100\r\n\r\n{"queue'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n7\r\n{"queue\r\n'],
    ['in chunks, not kept', 'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"queue\r\n'],
    ['in its head', 'Content-Len'],
  ])('is instance_unreachable when it is cut short %s', async (_where, text) => {
    const server = await servePlainly((socket) => socket.end(`HTTP/1.1 200 OK\r\n${text}`));
    const error = await failureOf(clientOf(server.url).queue(never()));
    expect([error.code, error.detail]).toEqual([
      'instance_unreachable',
      'The ComfyUI instance gpu/1 broke off the connection.',
    ]);
  });

  it('is instance_unreachable when head and body do not arrive in time', async () => {
    const server = await serve((_request, response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
    });
    const error = await failureOf(clientOf(server.url, 300).queue(never()));
    expect(error.detail).toBe('The ComfyUI instance gpu/1 did not answer within 300 ms.');
  });

  it('rejects with the reason of the abort when the caller aborts half-way', async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const server = await serve((_request, response) => response.write('{', () => abort.abort(reason)));
    await expect(clientOf(server.url).queue(abort.signal)).rejects.toBe(reason);
  });
});

describe('close', () => {
  it('closes kept connections', async () => {
    const server = await servePlainly((socket) => socket.write(answer(EMPTY_QUEUE)));
    const client = clientOf(server.url);
    await client.queue(never());
    const [kept] = server.sockets;
    if (kept === undefined) throw new Error('no connection');
    const closed = once(kept, 'close');
    client.close();
    await closed;
  });
});
