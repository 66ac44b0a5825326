import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A port that is ours. */
export interface Listening {
  readonly port: number;
  /** Answers requests from now on; to be called at once, before anything else is awaited. */
  serve(app: RequestListener): void;
  /** Takes no more connections, lets answers under way end for `graceMs`, then breaks them off. */
  close(graceMs: number): Promise<void>;
}

/**
 * Takes a port, 0 any free one. What works behind it is made afterwards, so that a taken port undoes nothing. Rejects
 * with Node's error (EADDRINUSE, …) when it cannot be had.
 */
export async function listen(at: { readonly host: string; readonly port: number }): Promise<Listening> {
  const server = createServer();
  server.listen(at.port, at.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    serve: (app) => {
      server.on('request', app);
    },
    close: async (graceMs) => {
      const closed = once(server, 'close');
      server.close(); // idle connections too
      const late = new AbortController();
      const patience = delay(graceMs, undefined, { signal: late.signal }).catch(() => undefined);
      await Promise.race([closed, patience]);
      late.abort();
      server.closeAllConnections();
      await closed;
    },
  };
}
