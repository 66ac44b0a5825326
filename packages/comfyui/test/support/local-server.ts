import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from './listen.js';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface LocalServer {
  readonly url: string;
  /** Every complete request, in order. */
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

/** A server on 127.0.0.1 with the answers of `answer`, until the test is over. */
export async function serve(
  answer: (request: SeenRequest, response: ServerResponse, raw: IncomingMessage) => void,
): Promise<LocalServer> {
  const seen: SeenRequest[] = [];
  const server = createServer((raw, response) => {
    const chunks: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => chunks.push(chunk));
    raw.on('end', () => {
      const { method = '', url = '', headers } = raw;
      const request = { method, url, headers, body: Buffer.concat(chunks) };
      seen.push(request);
      answer(request, response, raw);
    });
  });
  return { ...(await listen(server)), seen };
}

/** Answers JSON (or raw text) by path, 404 for other paths. */
export function answers(byPath: Readonly<Record<string, { status?: number; body: string }>>) {
  return ({ url }: SeenRequest, response: ServerResponse): void => {
    const found = byPath[url.split('?')[0] ?? ''];
    response.statusCode = found === undefined ? 404 : (found.status ?? 200);
    response.end(found?.body);
  };
}
