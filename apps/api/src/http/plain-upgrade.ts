import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

interface Upgrading {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came after the head of the request. */
  readonly head: Buffer;
}

/** What would have the server take it for a wish again. */
const WISHES = ['connection', 'upgrade', 'http2-settings'];

export function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Serves a request that would rather speak another protocol, HTTP/2 mostly, as the request that it is: whoever offers that may
 * be answered as if they had not (RFC 9110, 7.8). Node leaves the connection to whoever listens for such wishes, with the body
 * unread; so the server gets it again, and the request without the wish.
 */
export function servedPlainly(server: Server, { request, socket, head }: Upgrading): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!WISHES.includes(rawHeaders[at]?.toLowerCase() ?? '')) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
