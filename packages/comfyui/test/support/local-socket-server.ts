import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';

interface Connection {
  readonly url: string;
  readonly origin: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly socket: WebSocket;
  readonly received: string[];
}

export interface LocalSocketServer {
  /** An http URL. */
  readonly url: string;
  readonly port: number;
  /** All connections so far, oldest first. */
  readonly connections: readonly Connection[];
  close(): Promise<void>;
}

/** A WebSocket server on 127.0.0.1 that sends nothing by itself, until the test is over. */
export async function serveSocket(port = 0, options: { autoPong?: boolean } = {}): Promise<LocalSocketServer> {
  const connections: Connection[] = [];
  const server = new WebSocketServer({ port, host: '127.0.0.1', ...options });
  server.on('connection', (socket, request) => {
    const received: string[] = [];
    socket.on('message', (data: Buffer) => received.push(data.toString()));
    connections.push({
      url: request.url ?? '',
      origin: request.headers.origin,
      headers: request.headers,
      socket,
      received,
    });
  });
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address');
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    for (const { socket } of connections) socket.terminate();
    const gone = once(server, 'close');
    server.close();
    await gone;
  };
  onTestFinished(close);
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, connections, close };
}
