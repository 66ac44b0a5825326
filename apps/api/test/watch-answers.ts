import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { pathOfTarget } from '../src/server/listen.js';
import { type DocumentCheck, documentCheck, type SentAnswer } from './documented.js';

/** How much of a body is checked. JSON bodies are always shorter. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface WatchedAnswers {
  readonly listener: RequestListener;
  /** Checks responses against this OpenAPI document from now on. */
  expect(document: string): void;
  /** The differences found so far. */
  readonly breaches: readonly string[];
}

/** Checks every response in the server, so that it does not matter which client a test uses. */
export function watchAnswers(listener: RequestListener): WatchedAnswers {
  const breaches: string[] = [];
  let check: DocumentCheck | undefined;
  return {
    listener: (request, response) => {
      const chunks = recorded(response);
      const head = recordedHead(response);
      // Read now, because routers mounted below a path change the URL later.
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

/** The final headers, whether they were set one by one or passed with the status. */
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

/** Node accepts an object, a list of pairs, or a list with names and values alternating. */
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
  // Only the headers of a response that was cut off can be checked.
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
