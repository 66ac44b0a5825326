import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A safetensors file of this size, at least 200 bytes, with one tensor of random bytes. */
export function safetensors(bytes: number, metadata: Readonly<Record<string, string>> = {}): Buffer {
  const headerOf = (length: number) =>
    JSON.stringify({ __metadata__: metadata, lora: { dtype: 'U8', shape: [length], data_offsets: [0, length] } });
  // The header of a shorter tensor is padded with spaces, as the format allows.
  const header = headerOf(bytes);
  const length = bytes - 8 - header.length;
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([start, Buffer.from(headerOf(length).padEnd(header.length)), randomBytes(length)]);
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * How a source answers. `cut`: breaks off each answer in its middle. `overlong`, `short`: sends one byte more or less
 * than the file has, consistently. `claims-more`: announces more than it sends. `changing`: other content in each
 * answer. `login`: a page instead of the file, `login-redirect`: a redirect to it.
 */
export type SourceFault =
  | 'corrupt'
  | 'cut'
  | 'cut-once'
  | 'overlong'
  | 'short'
  | 'claims-more'
  | 'changing'
  | 'login'
  | 'login-redirect'
  | 'unavailable'
  | 'missing'
  | 'forbidden'
  | 'private-redirect'
  | 'silent';

export interface SourceFile {
  content: Buffer;
  fault?: SourceFault | undefined;
  /** Default true. */
  ranges?: boolean;
  /** Whether it has an entity tag; default true. */
  tags?: boolean;
  /** Headers of a redirect that comes first. */
  redirect?: Readonly<Record<string, string>>;
}

interface SourceRequest {
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage['headers'];
}

export interface ModelSource {
  readonly url: string;
  /** What it serves, by the path without the slash. Tests may change it at any time. */
  readonly files: Map<string, SourceFile>;
  readonly requests: readonly SourceRequest[];
  /** How many bytes of content it has sent, by path. */
  readonly sent: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

const PIECE_BYTES = 16 * 1024;

/** A server of models on 127.0.0.1 that misbehaves on demand. `bytesPerSecond`: for each answer. */
export async function startModelSource({ bytesPerSecond = Number.POSITIVE_INFINITY } = {}): Promise<ModelSource> {
  const files = new Map<string, SourceFile>();
  const requests: SourceRequest[] = [];
  const sent = new Map<string, number>();
  const wasCut = new Set<string>();

  const page = (response: ServerResponse) =>
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Log in</title>');
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const [encoded = '', query = ''] = (request.url ?? '').split('?');
    const path = decodeURIComponent(encoded).slice(1);
    requests.push({ path, query, headers: request.headers });
    if (path === 'login') return page(response);
    const isFinal = path.startsWith('redirected/');
    const name = isFinal ? path.slice('redirected/'.length) : path;
    const file = files.get(name);
    if (file === undefined) return response.writeHead(404).end();
    if (file.redirect !== undefined && !isFinal) {
      return response.writeHead(302, { Location: `/redirected/${encodeURI(name)}`, ...file.redirect }).end();
    }
    switch (file.fault) {
      case 'login':
        return page(response);
      case 'login-redirect':
        return response.writeHead(302, { Location: '/login' }).end();
      case 'unavailable':
        return response.writeHead(503, { 'Retry-After': '7' }).end();
      case 'missing':
        return response.writeHead(404).end();
      case 'forbidden':
        return response.writeHead(403).end();
      case 'private-redirect':
        return response.writeHead(302, { Location: 'http://10.1.2.3/model.safetensors' }).end();
      case 'silent':
        return undefined;
    }
    return send(request, response, name, file);
  };

  const send = async (request: IncomingMessage, response: ServerResponse, name: string, file: SourceFile) => {
    const content = contentOf(file);
    const tag = `"${sha256(content).slice(0, 16)}"`;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const isSame = (request.headers['if-range'] ?? tag) === tag;
    const isRange = file.ranges !== false && from !== undefined && isSame;
    const start = isRange ? Number(from) : 0;
    const end = isRange && to ? Math.min(Number(to) + 1, content.length) : content.length;
    if (start >= content.length) return response.writeHead(416).end();
    const claimed = content.length + (file.fault === 'claims-more' ? 1000 : 0);
    response.writeHead(isRange ? 206 : 200, {
      'Content-Length': file.fault === 'claims-more' && end === content.length ? end - start + 1000 : end - start,
      'Content-Type': 'application/octet-stream',
      ...(file.tags === false ? {} : { ETag: tag }),
      ...(isRange ? { 'Content-Range': `bytes ${start}-${end - 1}/${claimed}` } : {}),
    });
    const isCut = file.fault === 'cut' || (file.fault === 'cut-once' && !wasCut.has(name));
    const stop = isCut ? start + Math.floor((end - start) / 2) : end;
    for (let at = start; at < stop && !response.destroyed; at += PIECE_BYTES) {
      const piece = content.subarray(at, Math.min(at + PIECE_BYTES, stop));
      sent.set(name, (sent.get(name) ?? 0) + piece.length);
      if (!response.write(piece)) await drained(response);
      if (bytesPerSecond !== Number.POSITIVE_INFINITY) await delay((piece.length / bytesPerSecond) * 1000);
    }
    if (isCut || file.fault === 'claims-more') {
      wasCut.add(name);
      // What was written before has to arrive first.
      await new Promise((resolve) => setImmediate(resolve));
      response.destroy();
    } else response.end();
  };

  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    sent,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Resolves when the answer takes more, or is over. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function contentOf({ content, fault }: SourceFile): Buffer {
  switch (fault) {
    case 'corrupt': {
      const wrong = Buffer.from(content);
      const at = wrong.length - 1;
      wrong[at] = (wrong[at] as number) ^ 1;
      return wrong;
    }
    case 'changing':
      return Buffer.concat([content.subarray(0, -16), randomBytes(16)]);
    case 'overlong':
      return Buffer.concat([content, Buffer.from([0])]);
    case 'short':
      return content.subarray(0, -1);
    default:
      return content;
  }
}
