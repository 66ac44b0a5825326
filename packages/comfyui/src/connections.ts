import { urlToHttpOptions } from 'node:url';
import { orAborted } from '@comfy-fleet/contracts';
import { traceHeaders } from '@comfy-fleet/telemetry';
import FormData from 'form-data';
// Not axios, which takes four times as long for each of a worker's three requests per job.
import { type Dispatcher, Pool } from 'undici';
import type { Deadline } from './deadline.js';

/** Well below the keep-alive times of servers and proxies, which would reset a reused connection. */
const IDLE_SOCKET_MS = 10_000;
const POOL = {
  connections: 16,
  pipelining: 1,
  keepAliveTimeout: IDLE_SOCKET_MS,
  keepAliveMaxTimeout: IDLE_SOCKET_MS,
  // We have our own deadlines.
  headersTimeout: 0,
  bodyTimeout: 0,
};
/** Some proxies refuse requests without these. */
const USUAL_HEADERS = { accept: 'application/json, text/plain, */*', 'user-agent': 'comfy-fleet' };

type Headers = Readonly<Record<string, string>>;

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Without the base URL; path segments and query are encoded. */
  readonly path: string;
  /** Whether it gets a span in a trace. Frequent polls would bury the rest. */
  readonly isTraced?: boolean;
  readonly signal: AbortSignal;
  readonly body?: string | FormData;
  readonly headers?: Headers;
}

/** The connections to one instance. */
export interface Connections {
  /**
   * Sends a request once; resolves with status, headers and the unread body. Throws errors of undici or the socket, and
   * the reason when the deadline aborts.
   */
  send(request: HttpRequest, deadline: Deadline): Promise<Dispatcher.ResponseData>;
  close(): void;
}

export function openConnections(options: { baseUrl: string; headers: Headers; timeoutMs: number }): Connections {
  const base = new URL(options.baseUrl);
  const basePath = base.pathname.replace(/\/+$/, '');
  // A connection attempt is given up together with its request.
  const pool = new Pool(base.origin, { ...POOL, connect: { timeout: options.timeoutMs } });
  const always = { ...USUAL_HEADERS, ...login(base), ...lowerCase(options.headers), 'accept-encoding': 'identity' };

  const send = async ({ method, path, body, headers }: HttpRequest, deadline: Deadline) => {
    const { signal } = deadline;
    // A large upload may take long, but it must not stop or be too slow.
    if (body instanceof FormData) body.on('data', (piece: Buffer | string) => deadline.restart(piece.length));
    const all = { ...always, ...headers, ...headersOf(body), ...traceHeaders() };
    const answer = pool.request({ method, path: basePath + path, headers: all, body: body ?? null, signal });
    // undici does not report an abort while a request waits for a connection, but does not send it afterwards.
    return orAborted(answer, signal);
  };

  return { send, close: () => void pool.destroy() };
}

/** The credentials in the address. */
function login(base: URL): Headers {
  const { auth } = urlToHttpOptions(base);
  return typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
}

/** undici would send a name twice if it is spelled in two ways. */
function lowerCase(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function headersOf(body: unknown): Headers {
  if (!(body instanceof FormData)) return {};
  // form-data knows no length of an empty file.
  return { ...body.getHeaders(), ...(body.hasKnownLength() ? { 'content-length': `${body.getLengthSync()}` } : {}) };
}
