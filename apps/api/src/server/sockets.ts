import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { FleetError } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Entrance } from './express-app.js';
import { type Caller, knownCaller } from './gate.js';
import type { OpenStreams } from './key-limits.js';
import { LINGER_MS, pathOfTarget, type Upgrade, writeReply } from './listen.js';
import { requestIdOf } from './locals.js';
import type { ApiRequest, Route } from './messages.js';
import { problemReply } from './problems.js';

/** The request that opened a socket. */
export interface SocketRequest extends Pick<ApiRequest, 'path' | 'query' | 'header'> {
  readonly caller: Caller;
  readonly log: Logger;
}

/** A path at which callers open WebSockets. */
export interface SocketRoute extends Pick<Route, 'path' | 'basic'> {
  readonly access: 'jobs' | 'graphs' | 'admin';
  /** Called with an open socket, before anything of it is read. It is closed with 1001 when the process is to end. */
  connect(socket: WebSocket, request: SocketRequest): void;
}

export interface SocketOptions extends Entrance {
  readonly streams: OpenStreams;
  readonly heartbeatMs: number;
  readonly stopping: AbortSignal;
}

const GOING_AWAY = 1001;
/** "Policy violation". */
const NOT_ADMITTED = 1008;
/** Of a message from a client: ComfyUI's clients send their feature flags, and nothing else. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_FRAGMENTS = 16;
/** Messages, pings and pongs that a client may send at once, and in each further second. From 60 pings on, ws resets. */
const FRAMES_AT_ONCE = 50;
const FRAMES_PER_SECOND = 20;
/** After so much silence the system asks whether a caller is still there, in ms. */
const KEEP_ALIVE_MS = 60_000;
const FRAME_EVENTS = ['message', 'ping', 'pong'] as const;

/**
 * Opens WebSockets with the hosts, keys and limits of requests, and not for pages of other origins. A socket is closed when the
 * key it was opened with is no longer valid.
 */
export function socketUpgrade(routes: readonly SocketRoute[], options: SocketOptions): Upgrade {
  const { gate, meter, instruments, hosts, dialects, streams, heartbeatMs, readmitMs, stopping, log } = options;
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    maxFragments: MAX_FRAGMENTS,
  });
  const leave = () => {
    for (const socket of server.clients) socket.close(GOING_AWAY, 'the server is stopping');
  };
  stopping.addEventListener('abort', leave, { once: true });

  const admit = async (request: IncomingMessage, route: SocketRoute | undefined, path: string) => {
    const fault = hosts(request);
    if (fault !== undefined) throw fault;
    if (route === undefined) throw new FleetError('not_found', 'No WebSocket can be opened at this address.');
    const { url = '', headers } = request;
    const query = new URLSearchParams(url.split('?').slice(1).join('?'));
    const header = (name: string) => headers[name.toLowerCase()]?.toString();
    const takesBasic = route.basic ?? false;
    const visit = { method: 'GET', path, query: () => query, header, takesBasic, isSocket: true } as const;
    const mayComeIn = async () => knownCaller(await gate.admit(route.access, visit));
    const caller = await mayComeIn();
    const { refusal } = await meter(caller);
    if (refusal !== undefined) throw refusal;
    return { route, visitor: { path, query, header, caller }, mayComeIn };
  };

  return (request, socket, head) => {
    const start = performance.now();
    const path = pathOfTarget(request.url).split('?', 1)[0] ?? '';
    const plain = path.toLowerCase().replace(/(.)\/$/, '$1');
    const found = routes.find((one) => one.path === plain);
    const id = requestIdOf(request.headers['x-request-id']);
    const own = log.child({ request_id: id });
    const record = (status: number, about: object = {}) => {
      const ms = performance.now() - start;
      instruments.answered('GET', found?.path ?? 'none', status, ms / 1000);
      own.info('request', { method: 'GET', path, status, ms: Math.round(ms), ...about });
    };
    const broken = () => socket.destroy();
    socket.on('error', broken);
    const upgrade = async () => {
      const { route, visitor, mayComeIn } = await admit(request, found, path);
      if (socket.destroyed) return;
      const close = streams.open(visitor.caller.id);
      socket.off('error', broken);
      // Also when the handshake comes to nothing.
      socket.once('close', close);
      server.handleUpgrade(request, socket, head, (opened) => {
        record(101, { key: visitor.caller.id });
        (socket as Socket).setKeepAlive(true, KEEP_ALIVE_MS);
        own.debug('socket opened', { path });
        keep(opened, mayComeIn);
        limitFrames(opened);
        route.connect(opened, { ...visitor, log: own });
        if (stopping.aborted) opened.close(GOING_AWAY, 'the server is stopping');
      });
    };
    upgrade().catch((error: unknown) => {
      const reply = problemReply(error, { path, dialects, log: own });
      if (reply.refused !== undefined) instruments.refused(reply.refused);
      writeReply(socket, { ...reply, headers: { ...reply.headers, 'X-Request-Id': id } });
      record(reply.status);
    });
  };

  /** Pings are for proxies between: a client that does not answer may be busy. */
  function keep(opened: WebSocket, mayComeIn: () => Promise<unknown>): void {
    const beat = setInterval(() => opened.ping(), heartbeatMs);
    const check = setInterval(() => {
      mayComeIn().catch(() => opened.close(NOT_ADMITTED, 'the API key is no longer valid'));
    }, readmitMs);
    opened.on('error', (error) => log.debug('a socket failed', { error }));
    opened.once('close', () => {
      clearInterval(beat);
      clearInterval(check);
    });
  }
}

/** Closes a socket whose client sends more than it may. */
function limitFrames(opened: WebSocket): void {
  let left = FRAMES_AT_ONCE;
  let countedAt = performance.now();
  const count = () => {
    const now = performance.now();
    left = Math.min(FRAMES_AT_ONCE, left + ((now - countedAt) / 1000) * FRAMES_PER_SECOND) - 1;
    countedAt = now;
    if (left >= 0) return;
    for (const event of FRAME_EVENTS) opened.off(event, count);
    opened.close(NOT_ADMITTED, 'too many messages');
    opened.pause(); // reads no further messages, and no answer to the close frame either
    const late = setTimeout(() => opened.terminate(), LINGER_MS);
    opened.once('close', () => clearTimeout(late));
  };
  for (const event of FRAME_EVENTS) opened.on(event, count);
}
