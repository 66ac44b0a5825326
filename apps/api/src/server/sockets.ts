import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { FleetError } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Entrance } from './express-app.js';
import { type Caller, knownCaller } from './gate.js';
import type { OpenStreams } from './key-limits.js';
import { LINGER_MS, pathOfTarget, queryOf, type Upgrade, writeReply } from './listen.js';
import { requestIdOf } from './locals.js';
import type { ApiRequest, Route } from './messages.js';
import { problemReply } from './problems.js';

/** The request that opened a socket. */
export interface SocketRequest extends Pick<ApiRequest, 'path' | 'query' | 'header'> {
  readonly caller: Caller;
  readonly log: Logger;
}

/** A path where callers can open WebSockets. */
export interface SocketRoute extends Pick<Route, 'path' | 'basic'> {
  readonly access: 'jobs' | 'graphs' | 'admin';
  /** Called with an open socket before any message is read. The socket is closed with 1001 when the process stops. */
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
/** Limit for a client's message. ComfyUI's clients only send their feature flags. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_FRAGMENTS = 16;
/** How many messages, pings and pongs a client may send in a burst, and per second after it. From 60 pings on, ws resets the connection. */
const FRAMES_AT_ONCE = 50;
const FRAMES_PER_SECOND = 20;
/** After this much silence, in ms, TCP keep-alive checks whether the client is still connected. */
const KEEP_ALIVE_MS = 60_000;
const FRAME_EVENTS = ['message', 'ping', 'pong'] as const;

/**
 * Opens WebSockets with the same checks of host, origin, key and limits as requests. Closes a socket when its key is no longer
 * valid.
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
    const query = queryOf(request.url);
    const header = (name: string) => request.headers[name.toLowerCase()]?.toString();
    const takesBasic = route.basic ?? false;
    const visit = { method: 'GET', path, query: () => query, header, takesBasic, isSocket: true } as const;
    const authenticate = async () => knownCaller(await gate.admit(route.access, visit));
    const caller = await authenticate();
    const { refusal } = await meter(caller);
    if (refusal !== undefined) throw refusal;
    return { route, visitor: { path, query, header, caller }, authenticate };
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
      const { route, visitor, authenticate } = await admit(request, found, path);
      if (socket.destroyed) return;
      const close = streams.open(visitor.caller.id);
      socket.off('error', broken);
      // Also runs when the handshake fails.
      socket.once('close', close);
      server.handleUpgrade(request, socket, head, (opened) => {
        record(101, { key: visitor.caller.id });
        (socket as Socket).setKeepAlive(true, KEEP_ALIVE_MS);
        own.debug('socket opened', { path });
        maintain(opened, authenticate);
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

  /** Sends pings, which keep proxies from closing the connection, and checks the key. A client may ignore pings while busy. */
  function maintain(opened: WebSocket, authenticate: () => Promise<unknown>): void {
    const beat = setInterval(() => opened.ping(), heartbeatMs);
    const check = setInterval(() => {
      authenticate().catch(() => opened.close(NOT_ADMITTED, 'the API key is no longer valid'));
    }, readmitMs);
    opened.on('error', (error) => log.debug('a socket failed', { error }));
    opened.once('close', () => {
      clearInterval(beat);
      clearInterval(check);
    });
  }
}

/** Closes a socket whose client exceeds the message rate. */
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
    opened.pause(); // stops reading, including the reply to the close frame
    const late = setTimeout(() => opened.terminate(), LINGER_MS);
    opened.once('close', () => clearTimeout(late));
  };
  for (const event of FRAME_EVENTS) opened.on(event, count);
}
