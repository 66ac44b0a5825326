import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteRange } from '@comfy-fleet/frames';

interface Source {
  readonly bytes: number;
  readonly open: (range: ByteRange) => Promise<Readable | undefined>;
}

/** Serves one file on a port of this machine, part by part, at an address that nobody can guess. */
export async function serveParts(source: Source): Promise<{ readonly url: string; close(): Promise<void> }> {
  const path = `/${randomBytes(16).toString('hex')}`;
  const server = createServer((request, response) => {
    if (request.url === path) send(source, request, response).catch(() => response.destroy());
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function send({ bytes, open }: Source, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= bytes) {
    response.writeHead(416, { 'Content-Range': `bytes */${bytes}` }).end();
    return;
  }
  const stream = await open({ start, end: bytes - 1 });
  if (stream === undefined) {
    response.writeHead(404).end();
    return;
  }
  const about = { 'Accept-Ranges': 'bytes', 'Content-Length': bytes - start };
  response.writeHead(206, { ...about, 'Content-Range': `bytes ${start}-${bytes - 1}/${bytes}` });
  await pipeline(stream, response);
}
