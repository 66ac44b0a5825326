import { once } from 'node:events';
import { createServer } from 'node:net';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ComfySocket, connectSocket, type SocketEvent } from '../src/index.js';
import { type LocalSocketServer, serveSocket } from './support/local-socket-server.js';

interface Watched {
  readonly socket: ComfySocket;
  readonly events: SocketEvent[];
  readonly states: boolean[];
  readonly lines: string[];
}

interface Watching {
  readonly pingMs?: number;
  readonly timeoutMs?: number;
  readonly onEvent?: (event: SocketEvent) => void;
}

function watch(baseUrl: string, { pingMs = 60_000, timeoutMs = 5000, onEvent = () => {} }: Watching = {}): Watched {
  const events: SocketEvent[] = [];
  const states: boolean[] = [];
  const lines: string[] = [];
  const write = (message: string, fields: Readonly<Record<string, unknown>>) =>
    void lines.push(`${message} ${String(fields.reason ?? '')}`);
  const socket = connectSocket({
    baseUrl,
    instance: 'gpu/1',
    timeoutMs,
    pingMs,
    onEvent: (event) => {
      events.push(event);
      onEvent(event);
    },
    onState: (open) => states.push(open),
    log: { info: write, warn: write, error: write },
  });
  onTestFinished(() => socket.close());
  return { socket, events, states, lines };
}

const connectionOf = (server: LocalSocketServer, index = 0) =>
  until(`connection ${index}`, () => server.connections[index]);

const clientIdIn = (url: string) => new URL(url, 'http://x').searchParams.get('clientId');

describe('connectSocket', () => {
  it('connects with its client id and first announces that it accepts previews with metadata', async () => {
    const server = await serveSocket();
    const { socket, states } = watch(`${server.url}/gpu/7/`);
    const connection = await connectionOf(server);
    await until('the first frame', () => connection.received[0]);
    expect(connection.url).toBe(`/gpu/7/ws?clientId=${socket.clientId}`);
    expect(connection.origin).toBeUndefined();
    expect(JSON.parse(connection.received[0] ?? '')).toEqual({
      type: 'feature_flags',
      data: { supports_preview_metadata: true },
    });
    expect([socket.isOpen, states]).toEqual([true, [true]]);
  });

  it('passes on frames and ignores meaningless ones', async () => {
    const server = await serveSocket();
    const { events } = watch(server.url);
    const { socket } = await connectionOf(server);
    for (const frame of ['{', '{"type":"news"}', Buffer.alloc(3)]) socket.send(frame);
    socket.send('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":3}}}}');
    await until('an event', () => events[0]);
    expect(events).toEqual([{ type: 'queue', remaining: 3 }]);
  });

  it('continues with the next frame when one cannot be handled, and logs why', async () => {
    const server = await serveSocket();
    const onEvent = () => {
      throw new TypeError('no such node');
    };
    const { events, lines } = watch(server.url, { onEvent });
    const { socket } = await connectionOf(server);
    const frame = '{"type":"status","data":{"status":{"exec_info":{"queue_remaining":3}}}}';
    socket.send(frame);
    socket.send(frame);
    await until('both events', () => events.length === 2);
    expect(lines.filter((line) => line.startsWith('could not handle a frame'))).toHaveLength(2);
  });

  it('reconnects with a new client id when the connection breaks', async () => {
    const server = await serveSocket();
    const { socket, states } = watch(server.url);
    const first = await connectionOf(server);
    await until('open', () => socket.isOpen);
    first.socket.terminate();
    const second = await connectionOf(server, 1);
    await until('open again', () => states.length === 3);
    expect(states).toEqual([true, false, true]);
    expect(clientIdIn(second.url)).toBe(socket.clientId);
    expect(clientIdIn(second.url)).not.toBe(clientIdIn(first.url));
  });

  it('reconnects by itself after the server was away', async () => {
    const server = await serveSocket();
    const { socket, states, lines } = watch(server.url);
    await until('open', () => socket.isOpen);
    await server.close();
    await until('several attempts', () => lines.length === 2);
    expect(socket.isOpen).toBe(false);
    const again = await serveSocket(server.port);
    await connectionOf(again);
    await until('open again', () => states.length === 3);
    expect(states).toEqual([true, false, true]);
  });

  it('stays open as long as pings are answered', async () => {
    const server = await serveSocket();
    const { socket, states } = watch(server.url, { pingMs: 100 });
    const connection = await connectionOf(server);
    let pings = 0;
    connection.socket.on('ping', () => {
      pings += 1;
    });
    await until('five pings', () => pings >= 5);
    expect([socket.isOpen, states]).toEqual([true, [true]]);
  });

  it('terminates a peer that answers no pings, and reconnects', async () => {
    const server = await serveSocket(0, { autoPong: false });
    const { states, lines } = watch(server.url, { pingMs: 20 });
    await connectionOf(server, 1);
    await until('closed once', () => states.includes(false));
    expect(lines).toContain('socket closed ComfyUI is silent');
  });

  it('gives up a handshake that is not answered in time, and retries with a new id', async () => {
    const asked: string[] = [];
    const server = createServer((peer) => {
      peer.on('error', () => undefined);
      peer.once('data', (data) => asked.push(/clientId=(\S+)/.exec(data.toString())?.[1] ?? ''));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const { socket, states } = watch(`http://127.0.0.1:${address.port}`, { timeoutMs: 50 });
    await until('two attempts', () => asked.length >= 2);
    expect(new Set(asked).size).toBe(asked.length);
    expect([socket.isOpen, states]).toEqual([false, []]);
  });

  it('does not reconnect after close', async () => {
    const server = await serveSocket();
    const { socket, states } = watch(server.url);
    const connection = await connectionOf(server);
    await until('open', () => socket.isOpen);
    const gone = once(connection.socket, 'close');
    await socket.close();
    await gone;
    expect([socket.isOpen, states]).toEqual([false, [true, false]]);
    expect(server.connections).toHaveLength(1);
  });

  it('closes even if the peer does not answer the closing frame', async () => {
    const server = await serveSocket();
    const { socket } = watch(server.url, { timeoutMs: 60_000 });
    const connection = await connectionOf(server);
    await until('open', () => socket.isOpen);
    connection.socket.pause();
    const closed = socket.close();
    await closed;
  });

  it('can be closed while it connects, while it waits to reconnect, and twice', async () => {
    const server = await serveSocket();
    const connecting = watch(server.url);
    await connecting.socket.close();
    await connecting.socket.close();
    await server.close();
    const waiting = watch(server.url);
    await until('an attempt has failed', () => waiting.lines[0]);
    await waiting.socket.close();
    expect([connecting.states, waiting.states]).toEqual([[], []]);
  });
});
