import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type ModelRecord, modelId } from '@comfy-fleet/contracts';
import type { FolderCopies } from '@comfy-fleet/jobs';
import { createSafeHttp } from '@comfy-fleet/safe-http';
import type { Logger } from '@comfy-fleet/telemetry';
import { Credentials } from './credentials.js';
import type { Location } from './sources.js';

/** A model that another host may have. */
export interface SharedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface PeerServerOptions {
  readonly port: number;
  readonly token: string;
  readonly bytesPerSecond: number;
  /** The file of a registered model, `<kind>/<name>`, that is ready; undefined if there is none. */
  readonly find: (id: string) => SharedFile | undefined;
  readonly log: Logger;
}

/** More hosts than fetch from one at the same time. */
const MOST_CONNECTIONS = 64;

/** Serves the models of this host to others: `GET /models/<kind>/<name>`, whole or one range. */
export async function startPeerServer({ port, token, bytesPerSecond, find, log }: PeerServerOptions) {
  const bandwidth = new Bandwidth(bytesPerSecond);
  const server = createServer((request, response) => {
    const [path = '', query] = (request.url ?? '').split('?');
    if (!isAllowed(request, token)) return void response.writeHead(401).end();
    if (request.method !== 'GET' || query !== undefined || !path.startsWith('/models/')) {
      return void response.writeHead(404).end();
    }
    const file = find(decoded(path.slice('/models/'.length)));
    if (file === undefined) return void response.writeHead(404).end();
    send(request, response, file, bandwidth).catch((error: unknown) => {
      log.debug('another host did not get a model', { error });
      response.destroy();
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.listen(port);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function isAllowed({ headers: { authorization = '' } }: IncomingMessage, token: string): boolean {
  // Digests have the same length, so that comparing them takes the same time.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization), digest(`Bearer ${token}`));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

async function send(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { path, bytes, sha256 }: SharedFile,
  bandwidth: Bandwidth,
): Promise<void> {
  const etag = `"${sha256}"`;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const isWhole = from === undefined || (headers['if-range'] ?? etag) !== etag;
  const start = isWhole ? 0 : Number(from);
  const end = isWhole || !to ? bytes - 1 : Math.min(Number(to), bytes - 1);
  if (start > end) return void response.writeHead(416, { 'Content-Range': `bytes */${bytes}` }).end();
  response.writeHead(isWhole ? 200 : 206, {
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
    'Content-Length': end - start + 1,
    ETag: etag,
    ...(isWhole ? {} : { 'Content-Range': `bytes ${start}-${end}/${bytes}` }),
  });
  await pipeline(Readable.from(throttled(createReadStream(path, { start, end }), bandwidth)), response);
}

async function* throttled(content: AsyncIterable<Buffer>, bandwidth: Bandwidth): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    await bandwidth.take(piece.length);
    yield piece;
  }
}

/** Bytes per second that all requests share, in the order in which they ask. */
class Bandwidth {
  readonly #bytesPerSecond: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  async take(bytes: number): Promise<void> {
    const now = performance.now();
    this.#freeAt = Math.max(now, this.#freeAt) + (bytes / this.#bytesPerSecond) * 1000;
    // Timers are exact to about a millisecond, so shorter waits are saved up.
    if (this.#freeAt - now > 2) await delay(this.#freeAt - now);
  }
}

/** The hosts that have a model, as sources, in any order; none without a token. */
export function peersOf(
  record: ModelRecord,
  folders: readonly FolderCopies[],
  { folder: own, token }: { readonly folder: string; readonly token: string | undefined },
): readonly Location[] {
  const id = modelId(record);
  // Not every host should ask the same one.
  const inAnyOrder = [...folders].sort(() => Math.random() - 0.5);
  return inAnyOrder.flatMap(({ folder, copies }) => {
    const has = copies.get(id)?.state === 'ready';
    if (!has || token === undefined || folder.peer_url === null || folder.id === own) return [];
    const base = folder.peer_url.replace(/\/+$/, '');
    const { hostname, port } = new URL(base);
    const headers = { Authorization: `Bearer ${token}` };
    return [
      {
        url: `${base}/models/${id.split('/').map(encodeURIComponent).join('/')}`,
        // Announced by a worker of the fleet, so its address need not be public.
        http: createSafeHttp({ allow: [`${hostname}:${port || 80}`] }),
        credentials: new Credentials([{ url: `${base}/`, headers, query: {}, s3: undefined, callers: false }]),
        sha256: record.sha256,
        hashIn: () => null,
      },
    ];
  });
}
