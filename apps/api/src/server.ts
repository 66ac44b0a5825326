import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { EXPRESS_CLASSES } from './http/express-classes.js';
import { isWebSocket, servedPlainly } from './http/plain-upgrade.js';
import type { Upgrade } from './http/sockets.js';
import { refuseUnreadable } from './http/unreadable-request.js';

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
  const server = createServer({ ...EXPRESS_CLASSES, requireHostHeader: false });
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
      server.on('request', app);
      server.on('checkExpectation', app); // an expectation that is not known is no reason to refuse
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
