import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import onHeaders from 'on-headers';
import type { Reply } from './messages.js';
import { refusal } from './problems.js';

/** Takes over the connection of a request for a WebSocket. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** A port that is ours. */
export interface Listening {
  readonly port: number;
  /** Serves requests and sockets from now on; to be called before anything else is awaited. */
  serve(app: RequestListener, upgrade?: Upgrade): void;
  /** From now on each answer closes its connection, so that load balancers keep none to this process. */
  leave(): void;
  /** Accepts no more connections, lets answers end for `graceMs`, then breaks them off. */
  close(graceMs: number): Promise<void>;
}

/** Longer than load balancers keep idle connections (nginx and AWS: 60 s), or they would send requests on closed ones. */
const KEEP_ALIVE_MS = 75_000;
/** A file of gigabytes takes long; the readers of bodies refuse what arrives too slowly. Node's own is five minutes. */
const REQUEST_MS = 6 * 3_600_000;
/** Requests that may arrive on one connection before the first is answered. Clients and proxies wait for the answer. */
export const MAX_PIPELINED = 16;
/** Above Node's 10, and low enough to show a leak. */
const MAX_CLOSE_LISTENERS = 20;
/** How often a closing server looks for connections whose answer has ended. */
const LOOK_MS = 50;
/** How long a client may go on sending after the last answer of a connection. */
export const LINGER_MS = 1000;

/**
 * Listens on a port, 0 for any. Connections that are silent both ways for `idleMs` are broken off. Rejects with Node's error
 * (EADDRINUSE, …).
 */
export async function listen(at: {
  readonly host: string;
  readonly port: number;
  readonly idleMs: number;
}): Promise<Listening> {
  // The app refuses a missing Host, in the shape of its other errors.
  const server = createServer({ requireHostHeader: false });
  // A client that does not read its answer would keep a file open for ever.
  server.timeout = at.idleMs;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_MS;
  server.on('clientError', refuseUnreadable);
  const sockets = new Set<Duplex>();
  server.listen(at.port, at.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    serve: (app, upgrade) => {
      const answer = oneAtATime((request, response) => {
        // Middleware, body readers and streams listen for its end, beside Node's own pipelines.
        response.setMaxListeners(MAX_CLOSE_LISTENERS);
        request.url = pathOfTarget(request.url);
        onHeaders(response, () => {
          if (hasBody(request) && !request.complete) closeAfter(response);
        });
        app(request, response);
      });
      server.on('request', answer);
      server.on('checkExpectation', answer); // an unknown expectation is no reason to refuse
      if (upgrade === undefined) return;
      server.on('upgrade', (request, socket, head) => {
        if (request.headers.upgrade?.toLowerCase() !== 'websocket') return serveWithoutUpgrade(server, request, head);
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        upgrade(request, socket, head);
      });
    },
    leave: () => {
      server.prependListener('request', (_request, response) => {
        response.shouldKeepAlive = false;
      });
    },
    close: async (graceMs) => {
      const closed = once(server, 'close');
      server.close(); // idle connections too
      const looking = setInterval(() => server.closeIdleConnections(), LOOK_MS);
      const late = new AbortController();
      const patience = delay(graceMs, undefined, { signal: late.signal }).catch(() => undefined);
      await Promise.race([closed, patience]);
      late.abort();
      clearInterval(looking);
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy(); // these no longer belong to the server
      await closed;
    },
  };
}

/**
 * Serves the requests of a connection one after the other. Node tells only the response that has the socket when the
 * connection closes, so a request served earlier would keep its files and timers for ever.
 */
function oneAtATime(serve: RequestListener): RequestListener {
  const queues = new WeakMap<Socket, (() => void)[]>();
  return (request, response) => {
    const { socket } = request;
    const queue = queues.get(socket) ?? [];
    const begin = () => {
      // The answer before it was the last one of the connection.
      if (response.socket === null) return;
      response.once('close', () => {
        queue.shift();
        queue[0]?.();
      });
      serve(request, response);
    };
    // Node parses everything that has arrived, thousands of requests, before it serves another connection.
    if (queue.push(begin) > MAX_PIPELINED) return void socket.destroy();
    queues.set(socket, queue);
    if (queue.length === 1) begin();
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The path and query of a request. Proxies may send the whole URL (RFC 9112, 3.2.2), which Express's router mostly refuses. */
export function pathOfTarget(target = '/'): string {
  if (target.startsWith('/')) return target;
  if (!/^https?:/i.test(target) || !URL.canParse(target)) return `/${target}`; // no route has that path
  const { pathname, search } = new URL(target);
  return pathname + search;
}

const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'Its headers are too long.',
  ERR_HTTP_REQUEST_TIMEOUT: 'It came too slowly.',
};

/** Answers bytes that are no request as any other error, and closes the connection. */
function refuseUnreadable({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
  // As Node does itself: an answer that has begun must not get this one in its middle.
  const { _httpMessage: begun } = socket as { _httpMessage?: ServerResponse };
  if (!socket.writable || begun?.headersSent === true) return void socket.destroy();
  const detail = `The request cannot be read. ${REASONS[code] ?? 'It is not HTTP as RFC 9112 has it.'}`;
  writeReply(socket, refusal(new FleetError('malformed_request', detail), { path: '', dialects: [] }));
}

/** Answers with JSON on a connection that Node has no response for, and closes it. */
export function writeReply(socket: Duplex, { status, headers = {}, body = {} }: Reply): void {
  const text = JSON.stringify(body);
  const type = headers['Content-Type'] ?? 'application/json; charset=utf-8';
  const length = `${Buffer.byteLength(text)}`;
  const all = { ...headers, 'Content-Type': type, 'Content-Length': length, Connection: 'close' };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
  closeConnection(socket);
}

const UPGRADE_HEADERS = ['connection', 'upgrade', 'http2-settings'];

/**
 * Serves a request that offers another protocol, mostly HTTP/2, as if it had not (RFC 9110, 7.8). Node leaves its connection to
 * us with the body unread, so the server gets it again, and the request without the offer.
 */
function serveWithoutUpgrade(
  server: Server,
  { method, url, httpVersion, rawHeaders, socket }: IncomingMessage,
  rest: Buffer,
) {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!UPGRADE_HEADERS.includes(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), rest]));
  server.emit('connection', socket);
}

/**
 * Ends a connection after what was written to it. What the client still sends is read for a moment and thrown away: it might
 * lose the answer to a reset otherwise.
 */
function closeConnection(socket: Duplex): void {
  socket.end();
  // From here on nothing is parsed as HTTP: for a body of very small chunks that would keep a core busy. Node first has to
  // resume a socket that it paused.
  const discard = () => socket.removeAllListeners('data').on('data', () => {});
  if (socket.isPaused()) socket.once('resume', discard);
  else discard();
  socket.resume();
  const late = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(late));
}

/**
 * Makes an answer the last one of its connection, for a request whose body is no longer read: a client that sends it
 * slowly, or never, must not keep the connection. To be called before the head is written.
 */
function closeAfter(response: ServerResponse): void {
  const socket = response.req.socket as Socket;
  response.shouldKeepAlive = false;
  // Until the answer is sent, only a client that reads it shows that it is alive.
  socket.pause();
  // Node calls this after the last answer.
  socket.destroySoon = () => closeConnection(socket);
}
