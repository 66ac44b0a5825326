import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import onHeaders from 'on-headers';
import { refusal } from './problems.js';

/** A port that this process listens on. */
export interface Listening {
  readonly port: number;
  /** Starts serving requests, also those for WebSockets. Call it soon after `listen`, since earlier ones get no response. */
  serve(app: RequestListener): void;
  /** Makes each response close its connection from now on, so that load balancers move to other processes. */
  leave(): void;
  /** Stops accepting connections, waits up to `graceMs` for running responses, and then closes the rest. */
  close(graceMs: number): Promise<void>;
}

/** Longer than load balancers keep idle connections (nginx and AWS: 60 s), so that they never send on a closed one. */
const KEEP_ALIVE_MS = 75_000;
/** Large files take longer than Node's default of five minutes. The body readers refuse uploads that are too slow. */
const REQUEST_MS = 6 * 3_600_000;
/** How many requests may arrive on one connection before the first is answered. Common clients and proxies send one. */
export const MAX_PIPELINED = 16;
/** Above Node's default of 10, but low enough to reveal a leak. */
const MAX_CLOSE_LISTENERS = 20;
/** How often a closing server closes the connections that have become idle. */
const CLOSE_IDLE_MS = 50;
/** What clients do not read of smaller responses may stay in the kernel for some minutes. */
const SMALL_BYTES = 16 * 1024;
/** How long a client may keep sending after the last response of a connection. */
export const LINGER_MS = 1000;

/**
 * Listens on a port, 0 for any. Closes connections that have been silent both ways for `idleMs`. Rejects with Node's error
 * (EADDRINUSE, …).
 */
export async function listen(at: {
  readonly host: string;
  readonly port: number;
  readonly idleMs: number;
}): Promise<Listening> {
  // The app refuses a missing Host with the same error format as everything else.
  const server = createServer({ requireHostHeader: false });
  // Without it, a client that does not read its response would keep a file open forever.
  server.timeout = at.idleMs;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_MS;
  server.on('clientError', refuseUnreadable);
  const sockets = new Set<Duplex>();
  server.listen(at.port, at.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    serve: (app) => {
      const answer = oneAtATime((request, response) => {
        // Middleware, body readers, streams and Node's pipelines all add close listeners.
        response.setMaxListeners(MAX_CLOSE_LISTENERS);
        request.url = pathOfTarget(request.url);
        onHeaders(response, () => {
          const isLast = isClosedByClient(response);
          if (!isLast && hasBody(request) && !request.complete) closeAfter(response);
          if (isLast || Number(response.getHeader('Content-Length')) > SMALL_BYTES) closeWhenRead(response);
        });
        app(request, response);
      });
      server.on('request', answer);
      server.on('checkExpectation', answer); // ignores unknown Expect headers
      server.on('upgrade', (request, _socket, head) => {
        if (!isForSocket(request)) return serveWithoutUpgrade(server, request, head);
        const { socket } = request;
        socket.on('error', () => socket.destroy());
        if (unfinishedOn(socket) !== undefined) return void socket.destroy();
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        if (head.length > 0) socket.unshift(head);
        answer(request, responseOn(socket, request));
      });
    },
    leave: () => {
      server.prependListener('request', (_request, response) => {
        response.shouldKeepAlive = false;
      });
    },
    close: async (graceMs) => {
      const closed = once(server, 'close');
      server.close(); // also closes idle connections
      const closingIdle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
      const late = new AbortController();
      const grace = delay(graceMs, undefined, { signal: late.signal }).catch(() => undefined);
      await Promise.race([closed, grace]);
      late.abort();
      clearInterval(closingIdle);
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy(); // the server no longer tracks upgraded sockets
      await closed;
    },
  };
}

/**
 * Serves the requests of a connection one after the other. When a connection closes, Node emits `close` only on the
 * response that currently has the socket, so a pipelined request that was already running would never release its resources.
 */
function oneAtATime(serve: RequestListener): RequestListener {
  const queues = new WeakMap<Socket, (() => void)[]>();
  return (request, response) => {
    const { socket } = request;
    const queue = queues.get(socket) ?? [];
    const begin = () => {
      // The connection closed, or the previous response was its last one.
      if (response.socket === null) return;
      response.once('close', () => {
        queue.shift();
        queue[0]?.();
      });
      serve(request, response);
    };
    // Node parses all the requests that have arrived, possibly thousands, before it serves another connection.
    if (queue.push(begin) > MAX_PIPELINED) return void socket.destroy();
    queues.set(socket, queue);
    if (queue.length === 1) begin();
  };
}

/** Whether the request asks for a WebSocket. */
export function isForSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/** The response that is being sent on a connection. */
function unfinishedOn(socket: Duplex): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/** Node makes no response for a request to upgrade its connection. It is the last one of the connection. */
function responseOn(socket: Socket, request: IncomingMessage): ServerResponse<IncomingMessage> {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.destroySoon = () => closeConnection(socket);
  response.once('finish', () => socket.destroySoon());
  return response;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The path and query of a request. Proxies may send the whole URL (RFC 9112, 3.2.2), which Express cannot route. */
export function pathOfTarget(target = '/'): string {
  if (target.startsWith('/')) return target;
  if (!/^https?:/i.test(target) || !URL.canParse(target)) return `/${target}`; // matches no route
  const { pathname, search } = new URL(target);
  return pathname + search;
}

export function queryOf(url = ''): URLSearchParams {
  return new URLSearchParams(url.split('?').slice(1).join('?'));
}

const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'Its headers are too long.',
  ERR_HTTP_REQUEST_TIMEOUT: 'It came too slowly.',
};

/** Answers bytes that are not a valid HTTP request with an ordinary error, and closes the connection. */
function refuseUnreadable({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
  // Like Node's default handler: a response that has begun must not get this one in the middle.
  if (!socket.writable || unfinishedOn(socket)?.headersSent === true) return void socket.destroy();
  const detail = `The request cannot be read. ${REASONS[code] ?? 'It is not valid HTTP (RFC 9112).'}`;
  const { status, headers, body } = refusal(new FleetError('malformed_request', detail), { path: '', dialects: [] });
  const text = JSON.stringify(body);
  const all = { ...headers, 'Content-Length': `${Buffer.byteLength(text)}`, Connection: 'close' };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
  closeConnection(socket);
}

const UPGRADE_HEADERS = ['connection', 'upgrade', 'http2-settings'];

/**
 * Serves a request that offers an upgrade to another protocol, usually HTTP/2, and ignores the offer (RFC 9110, 7.8). Node
 * detaches the connection with the body unread, so it is passed to the server again, together with the request without the
 * upgrade headers.
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
 * Ends a connection once the response is written. Reads and discards what the client still sends for a moment: otherwise a
 * TCP reset could make the client lose the response.
 */
function closeConnection(socket: Duplex): void {
  socket.end();
  discardRest(socket);
  const late = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(late));
}

function discardRest(socket: Duplex): void {
  // Stops HTTP parsing, since a body of very small chunks would keep a core busy. If Node paused the socket, this has to
  // wait until Node resumes it.
  const discard = () => socket.removeAllListeners('data').on('data', () => {});
  if (socket.isPaused()) socket.once('resume', discard);
  else discard();
  socket.resume();
}

/**
 * Makes a response the last one of its connection when the request body is not read to its end: a client that sends the
 * rest slowly or never must not hold the connection. Call it before the headers are written.
 */
function closeAfter(response: ServerResponse): void {
  const socket = response.req.socket as Socket;
  response.shouldKeepAlive = false;
  // While the response is sent, only reading it counts as activity, so unread body bytes must not reset the idle timeout.
  socket.pause();
  socket.destroySoon = () => closeConnection(socket);
}

/**
 * Waits after the last response of a connection until the client closes its side too or is silent for too long. Only that
 * shows that it has read the response: the kernel accepts megabytes for a client that reads nothing. A reset then drops what
 * has not been read, which would otherwise stay in the kernel for minutes.
 */
function closeWhenRead(response: ServerResponse): void {
  const { socket, httpVersion } = response.req;
  if (!socket.listeners('end').includes(reset)) socket.prependListener('end', reset).prependListener('timeout', reset);
  // Node's fetch could crash while it still reads if the server ended a connection that it did not ask to end. A response to
  // HTTP/1.0 may end only with its connection.
  const isEnded = httpVersion === '1.0' || !isClosedByClient(response);
  // Node calls this after the last response of a connection.
  socket.destroySoon = () => {
    if (isEnded) socket.end();
    // What the client sends from now on is not read, so that it is no sign that the client reads.
    const late = setTimeout(() => socket.resetAndDestroy(), socket.timeout);
    socket.setTimeout(0).once('close', () => clearTimeout(late));
    discardRest(socket);
  };
}

function reset(this: Socket): void {
  if (this.writableEnded && !this.writableFinished) this.once('finish', reset);
  else this.resetAndDestroy();
}

/** Whether the response is the last one of its connection, and over when the client has closed that. */
export function isClosedByClient(response: ServerResponse): boolean {
  return response.getHeader('Connection') === 'close';
}
