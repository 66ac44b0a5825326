import { urlToHttpOptions } from 'node:url';
import { orAborted } from '@comfy-fleet/contracts';
import { traceHeaders } from '@comfy-fleet/telemetry';
import FormData from 'form-data';
// Node's own HTTP client as a library: axios takes a worker four times as long for each of its three requests a job.
import { type Dispatcher, Pool } from 'undici';
import type { Deadline } from './deadline.js';

/** Bounds idle connections well below the keep-alive times of servers and proxies, which would reset a reused one. */
const IDLE_SOCKET_MS = 10_000;
const POOL = {
  connections: 16,
  pipelining: 1,
  keepAliveTimeout: IDLE_SOCKET_MS,
  keepAliveMaxTimeout: IDLE_SOCKET_MS,
  // the deadlines are ours
  headersTimeout: 0,
  bodyTimeout: 0,
};
/** What some proxies refuse a request without. */
const USUAL_HEADERS = { accept: 'application/json, text/plain, */*', 'user-agent': 'comfy-fleet' };

type Headers = Readonly<Record<string, string>>;

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Without the base URL; path segments and query already encoded. */
  readonly path: string;
  /** It is worth a span, where there is a trace: what is asked again and again would bury the rest. */
  readonly isTraced?: boolean;
  readonly signal: AbortSignal;
  readonly body?: string | FormData;
  readonly headers?: Headers;
}

/** The connections to one instance. */
export interface Connections {
  /**
   * Sends a request once; resolves with the head of the answer and its body on the way. Throws what undici or the
   * socket throws, and the reason of the deadline's abort.
   */
  send(request: HttpRequest, deadline: Deadline): Promise<Dispatcher.ResponseData>;
  close(): void;
}

export function openConnections(options: { baseUrl: string; headers: Headers; timeoutMs: number }): Connections {
  const base = new URL(options.baseUrl);
  const basePath = base.pathname.replace(/\/+$/, '');
  // a connection that does not come about is given up with the request that waits for it
  const pool = new Pool(base.origin, { ...POOL, connect: { timeout: options.timeoutMs } });
  const always = { ...USUAL_HEADERS, ...login(base), ...lowerCase(options.headers), 'accept-encoding': 'identity' };

  const send = async ({ method, path, body, headers }: HttpRequest, deadline: Deadline) => {
    const { signal } = deadline;
    // a large upload may take long as a whole, but it must go on, and not too slowly
    if (body instanceof FormData) body.on('data', (piece: Buffer | string) => deadline.restart(piece.length));
    const all = { ...always, ...headers, ...headersOf(body), ...traceHeaders() };
    const answer = pool.request({ method, path: basePath + path, headers: all, body: body ?? null, signal });
    // while a request waits for a connection undici says nothing of an abort; afterwards it does not send it
    return orAborted(answer, signal);
  };

  return { send, close: () => void pool.destroy() };
}

/** What lets us in, where the address says it. */
function login(base: URL): Headers {
  const { auth } = urlToHttpOptions(base);
  return typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
}

/** undici would send one name in two spellings twice. */
function lowerCase(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function headersOf(body: unknown): Headers {
  if (!(body instanceof FormData)) return {};
  // of nothing, form-data takes no length
  return { ...body.getHeaders(), ...(body.hasKnownLength() ? { 'content-length': `${body.getLengthSync()}` } : {}) };
}
