import { request as askHttp, type Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { request as askHttps, type Agent as HttpsAgent } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import type { urlToHttpOptions } from 'node:url';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

export interface Exchange {
  readonly place: ReturnType<typeof urlToHttpOptions>;
  readonly agent: HttpAgent | HttpsAgent;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream's length has to be among the headers. */
  readonly body?: string | NodeJS.ReadableStream | undefined;
  readonly signal: AbortSignal;
}

/** A proxy may compress, and so does a ComfyUI that was told to. */
export const ENCODINGS = 'gzip, deflate, br';

const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * Sends a request; resolves with the head of the response. Throws what the socket throws. Node's own client: what a
 * library around it adds took a worker an eighth of its time.
 */
export function exchange({ place, body, signal, ...options }: Exchange): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const ask = place.protocol === 'https:' ? askHttps : askHttp;
    const request = ask({ ...place, ...options }, resolve);
    request.on('error', reject);
    const abort = () => {
      request.destroy(signal.reason);
      // One that waits for a connection would say so only when it gets one.
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    if (typeof body !== 'object') {
      request.end(body);
      return;
    }
    body.on('error', (error: Error) => request.destroy(error));
    body.pipe(request);
  });
}

/** The body as it was before it was compressed. */
export function bodyOf(response: IncomingMessage): Readable {
  const decoder = DECODERS[response.headers['content-encoding'] ?? ''];
  return decoder === undefined ? response : pipeline(response, decoder(), () => undefined);
}

/** The whole body; undefined when it has more than `maxBytes`. */
export function readText(body: Readable, maxBytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isWhole = false;
    body.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= maxBytes) return;
      resolve(undefined);
      body.destroy();
    });
    body.once('end', () => {
      isWhole = true;
      resolve(Buffer.concat(chunks).toString());
    });
    body.on('error', reject);
    body.once('close', () => {
      if (!isWhole) reject(new Error('The connection was closed before the end of the answer.'));
    });
  });
}
