import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './ports.js';

/** A relay in front of a server, which can hold back what clients send: for a server that takes its time. */
export interface Gate {
  readonly url: string;
  /** From now on nothing that clients send arrives; what they have been answered until then did. */
  shut(): void;
  /** Lets through what was held back, and everything after it. */
  open(): void;
  close(): Promise<void>;
}

/** Opens the way to a port of 127.0.0.1, at the one that is given, or at a free one that nobody takes while the gate is closed. */
export async function startGate(port: number, at?: number): Promise<Gate> {
  const own = at ?? (await freePort());
  const clients = new Set<Socket>();
  let isShut = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    clients.add(client);
    client.on('data', (chunk) => upstream.write(chunk));
    client.on('end', () => upstream.end());
    upstream.pipe(client);
    // A broken connection is its ends' affair; the relay only passes it on.
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => {
      clients.delete(client);
      upstream.destroy();
    });
    upstream.on('close', () => {
      // What was sent to its end may still be on its way.
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
    open: () => turn(false),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}
