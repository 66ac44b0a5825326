import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** How long a client may go on sending after the last answer of a connection, in ms. */
export const LINGER_MS = 1000;

const closing = new WeakSet<Duplex>();

/** Whether a connection takes no more requests, because its last answer has begun. */
export function isClosing(socket: Duplex): boolean {
  return closing.has(socket);
}

/**
 * Ends a connection after what was written to it. What the client still sends is read for a moment and thrown away: if the
 * socket were destroyed at once, the client would get a reset, and might lose the answer.
 */
export function closeConnection(socket: Duplex): void {
  closing.add(socket);
  socket.end();
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
  closing.add(socket);
  // Until the answer is through, only a client that reads it shows that it is alive.
  socket.pause();
  // Node calls this after the last answer.
  socket.destroySoon = () => closeConnection(socket);
}
