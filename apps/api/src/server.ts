import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface RunningServer {
  readonly port: number;
  /** Takes no more connections, lets answers under way end for `graceMs`, then breaks them off. */
  close(graceMs: number): Promise<void>;
}

/** Listens; port 0 takes a free one. Rejects with Node's error (EADDRINUSE, …) when it cannot. */
export async function startServer(app: RequestListener, at: { host: string; port: number }): Promise<RunningServer> {
  const server = createServer(app);
  server.listen(at.port, at.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
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
