import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './ports.js';

/** A relay in front of a server that can hold back what clients send, to simulate a slow or unreachable server. */
export interface Gate {
  readonly url: string;
  /** From now on nothing that clients send arrives; everything that was answered before has arrived. */
  shut(): void;
  /** Shuts when a request with this text comes, which never arrives. */
  shutAt(request: string): void;
  /** Forwards what was held back, and everything after it. */
  open(): void;
  close(): Promise<void>;
}

/**
 * Starts a relay to a port of 127.0.0.1, on the given port or on a free one, which stays reserved while the gate is
 * closed.
 */
export async function startGate(port: number, at?: number): Promise<Gate> {
  const own = at ?? (await freePort());
  const clients = new Set<Socket>();
  let isShut = false;
  let shutsAt: string | undefined;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    clients.add(client);
    client.on('data', (chunk: Buffer) => {
      if (shutsAt !== undefined && chunk.includes(shutsAt)) turn(true);
      else upstream.write(chunk);
    });
    client.on('end', () => upstream.end());
    upstream.pipe(client);
    // Errors of a connection concern its ends; the relay only closes it.
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => {
      clients.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => {
      // The rest of a complete response may still be on its way.
      if (!upstream.readableEnded) client.destroy();
    });
    if (isShut) client.pause();
  });
  server.listen(own, '127.0.0.1');
  await once(server, 'listening');
  const turn = (shut: boolean) => {
    isShut = shut;
    for (const client of clients) {
      if (shut) client.pause();
      else client.resume();
    }
  };
  return {
    url: `http://127.0.0.1:${own}`,
    shut: () => turn(true),
    shutAt: (request) => {
      shutsAt = request;
    },
    open: () => turn(false),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}
