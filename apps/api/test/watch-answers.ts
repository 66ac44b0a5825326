import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { pathOfTarget } from '../src/server/listen.js';
import { type DocumentCheck, documentCheck, type SentAnswer } from './documented.js';

/** Of a body this much is looked at; JSON is never longer. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface WatchedAnswers {
  readonly listener: RequestListener;
  /** From now on answers are held against this OpenAPI document. */
  expect(document: string): void;
  /** What did not fit, so far. */
  readonly breaches: readonly string[];
}

/** Looks at every answer as the server sends it, so that it does not matter how a test asks. */
export function watchAnswers(listener: RequestListener): WatchedAnswers {
  const breaches: string[] = [];
  let check: DocumentCheck | undefined;
  return {
    listener: (request, response) => {
      const chunks = recorded(response);
      const head = recordedHead(response);
      // Now: what is mounted below a path sees the rest of it only.
      const [path = ''] = pathOfTarget(request.url).split('?', 1);
      response.once('close', () => {
        if (check === undefined || !response.headersSent) return;
        const answer = sentAnswer(request, response, { ...head(), chunks, path });
        for (const fault of check(answer))
          breaches.push(`${answer.method} ${answer.path} (${answer.status}): ${fault}`);
      });
      listener(request, response);
    },
    expect: (document) => {
      check = documentCheck(document);
    },
    breaches,
  };
}

function recorded(response: ServerResponse): Buffer[] {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: unknown) => {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    const data = Buffer.from(chunk);
    bytes += data.length;
    if (bytes <= MOST_BYTES) chunks.push(data);
  };
  const { write, end } = response;
  response.write = (...given: unknown[]) => {
    keep(given[0]);
    return Reflect.apply(write, response, given);
  };
  response.end = (...given: unknown[]) => {
    keep(given[0]);
    return Reflect.apply(end, response, given);
  };
  return chunks;
}

/** The headers as they are at last, whether they were set one by one or given with the status. */
function recordedHead(response: ServerResponse): () => { headers: Record<string, string> } {
  const given: [string, unknown][] = [];
  const { writeHead } = response;
  response.writeHead = (...all: unknown[]) => {
    const last = all.at(-1);
    if (typeof last === 'object' && last !== null) given.push(...pairsOf(last));
    return Reflect.apply(writeHead, response, all);
  };
  return () => {
    const all = [...Object.entries(response.getHeaders()), ...given];
    return { headers: Object.fromEntries(all.map(([name, value]) => [name.toLowerCase(), String(value)])) };
  };
}

/** Node takes an object, a list of pairs, or names and values in turn. */
function pairsOf(headers: object): [string, unknown][] {
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (Array.isArray(headers[0])) return headers.map(([name, value]) => [String(name), value]);
  return headers.flatMap((name, index) =>
    index % 2 === 0 ? [[String(name), headers[index + 1]] as [string, unknown]] : [],
  );
}

interface Recorded {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly chunks: readonly Buffer[];
}

function sentAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { headers, chunks, path }: Recorded,
): SentAnswer {
  const isStream = headers['content-type']?.startsWith('text/event-stream') === true;
  // Of an answer that broke off only the head can be judged.
  const isWhole = isStream || (response.writableFinished && request.method !== 'HEAD');
  const hasBody = isWhole && response.statusCode !== 304 && response.statusCode !== 204;
  return {
    method: request.method ?? '',
    path,
    status: response.statusCode,
    headers,
    body: hasBody ? Buffer.concat(chunks) : undefined,
  };
}
