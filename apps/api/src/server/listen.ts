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

/** Takes over the connection of a request that wants to be a WebSocket. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** A port that is ours. */
export interface Listening {
  readonly port: number;
  /**
   * Answers requests from now on, and opens sockets if there is something for that; to be called at once, before anything
   * else is awaited.
   */
  serve(app: RequestListener, upgrade?: Upgrade): void;
  /** From now on each answer asks for its connection's end, so that whoever balances the load keeps none to this process. */
  leave(): void;
  /** Takes no more connections, lets answers under way end for `graceMs`, then breaks them off. */
  close(graceMs: number): Promise<void>;
}

/**
 * How long a connection without a request is kept, in ms. Longer than load balancers keep theirs (nginx and AWS: 60 s):
 * whoever closes first meets the request that the other one is just sending.
 */
const KEEP_ALIVE_MS = 75_000;
/** A file of gigabytes arrives for long; what arrives too slowly is refused by who reads it. Node's own is five minutes. */
const REQUEST_MS = 6 * 3_600_000;
/** How often a closing server looks for connections whose answer has ended. */
const LOOK_MS = 50;

/**
 * Takes a port, 0 any free one. A connection without a byte either way for `idleMs` is broken off. Rejects with Node's
 * error (EADDRINUSE, …) when it cannot be had.
 */
export async function listen(at: {
  readonly host: string;
  readonly port: number;
  readonly idleMs: number;
}): Promise<Listening> {
  // A missing Host is refused by the app, which says so as it says everything else.
  const server = createServer({ requireHostHeader: false });
  // Whoever does not read what it asked for would keep a file open for ever.
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
      const answer: RequestListener = (request, response) => {
        request.url = pathOfTarget(request.url);
        onHeaders(response, () => {
          if (hasBody(request) && !request.complete) closeAfter(response);
        });
        app(request, response);
      };
      server.on('request', answer);
      server.on('checkExpectation', answer); // an expectation that is not known is no reason to refuse
      if (upgrade === undefined) return;
      server.on('upgrade', (request, socket, head) => {
        if (!isWebSocket(request)) return servedPlainly(server, { request, socket, head });
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
      for (const socket of sockets) socket.destroy(); // which are no longer the server's
      await closed;
    },
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * The path and query that a request asks for. Proxies write the whole URL there (RFC 9112, 3.2.2), which Express's
 * router does not always understand; what is neither is made a path that no route has.
 */
export function pathOfTarget(target = '/'): string {
  if (target.startsWith('/')) return target;
  if (!/^https?:/i.test(target) || !URL.canParse(target)) return `/${target}`;
  const { pathname, search } = new URL(target);
  return pathname + search;
}

/** What Node says of bytes that it can make no request of, in words for the caller. */
const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'Its headers are too long.',
  ERR_HTTP_REQUEST_TIMEOUT: 'It came too slowly.',
};

/** For Node's `clientError`: answers as every other fault is answered, and closes the connection. */
function refuseUnreadable({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
  // As Node itself does: an answer that has begun must not get this one in its middle.
  const { _httpMessage: begun } = socket as { _httpMessage?: ServerResponse };
  if (!socket.writable || begun?.headersSent === true) {
    socket.destroy();
    return;
  }
  const detail = `The request cannot be read. ${REASONS[code] ?? 'It is not HTTP as RFC 9112 has it.'}`;
  writeReply(socket, refusal(new FleetError('malformed_request', detail), { path: '', dialect: undefined }));
}

/** Answers on a connection that Node has no answer for, and ends it. The body is JSON. */
export function writeReply(socket: Duplex, { status, headers = {}, body = {} }: Reply): void {
  const text = JSON.stringify(body);
  const type = headers['Content-Type'] ?? 'application/json; charset=utf-8';
  const length = `${Buffer.byteLength(text)}`;
  const all = { ...headers, 'Content-Type': type, 'Content-Length': length, Connection: 'close' };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
  closeConnection(socket);
}

interface Upgrading {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came after the head of the request. */
  readonly head: Buffer;
}

/** What would have the server take it for a wish again. */
const WISHES = ['connection', 'upgrade', 'http2-settings'];

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Serves a request that would rather speak another protocol, HTTP/2 mostly, as the request that it is: whoever offers that may
 * be answered as if they had not (RFC 9110, 7.8). Node leaves the connection to whoever listens for such wishes, with the body
 * unread; so the server gets it again, and the request without the wish.
 */
function servedPlainly(server: Server, { request, socket, head }: Upgrading): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!WISHES.includes(rawHeaders[at]?.toLowerCase() ?? '')) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

/** How long a client may go on sending after the last answer of a connection, in ms. */
export const LINGER_MS = 1000;

/**
 * Ends a connection after what was written to it. What the client still sends is read for a moment and thrown away: if the
 * socket were destroyed at once, the client would get a reset, and might lose the answer.
 */
export function closeConnection(socket: Duplex): void {
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
 * Makes an answer the last one of its connection, for a request whose body nobody reads any more: a client that sends it
 * slowly, or never, must not keep the connection. To be called before the head is written.
 */
export function closeAfter(response: ServerResponse): void {
  const socket = response.req.socket as Socket;
  response.shouldKeepAlive = false;
  // Until the answer is through, only a client that reads it shows that it is alive.
  socket.pause();
  // Node calls this after the last answer.
  socket.destroySoon = () => closeConnection(socket);
}
