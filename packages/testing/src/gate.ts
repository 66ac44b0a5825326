import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A relay in front of a server, which can hold back what clients send: for a server that takes its time. */
export interface Gate {
  readonly url: string;
  /** From now on nothing that clients send arrives; what they have been answered until then did. */
  shut(): void;
  /** Lets through what was held back, and everything after it. */
  open(): void;
  close(): Promise<void>;
}

/** Opens the way to a port of 127.0.0.1, at a free one or at the one that is given. */
export async function startGate(port: number, at = 0): Promise<Gate> {
  const clients = new Set<Socket>();
  let isShut = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    clients.add(client);
    client.on('data', (chunk) => upstream.write(chunk));
    client.on('end', () => upstream.end());
    upstream.pipe(client);
    for (const socket of [client, upstream]) {
      // A broken connection is its ends' affair; the relay only passes it on.
      socket.on('error', () => {});
      socket.on('close', () => {
        clients.delete(client);
        client.destroy();
        upstream.destroy();
      });
    }
    if (isShut) client.pause();
  });
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  const turn = (shut: boolean) => {
    isShut = shut;
    for (const client of clients) {
      if (shut) client.pause();
      else client.resume();
    }
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
