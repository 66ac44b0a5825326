import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

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
