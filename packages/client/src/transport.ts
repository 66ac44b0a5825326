import type { Problem } from './api-types.js';
import { FleetError, FleetUnreachableError } from './errors.js';

export interface FleetOptions {
  /** The API's address, with its path if it has one. Default: the page's origin in a browser, else http://127.0.0.1:3000. */
  readonly url?: string;
  /** An API key, if the fleet requires one. */
  readonly key?: string;
  /** How often a request is retried without an answer or after a temporary error. Default: 4. */
  readonly retries?: number;
  /** The longest wait for the start of an answer, in ms. Default: 100,000, longer than the API holds back an answer. */
  readonly timeoutMs?: number;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** A signal that aborts the operation. */
export interface Abortable {
  readonly signal?: AbortSignal;
}

export interface RequestOptions extends Abortable {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged. */
  readonly body?: FormData | Blob;
}

export interface Transport {
  /** The absolute address of a path of the API, or of an address in its answers. */
  urlOf(path: string, query?: RequestOptions['query']): URL;
  /** Resolves to a successful answer. Rejects with FleetError, FleetUnreachableError, or the signal's reason. */
  send(path: string, options?: RequestOptions): Promise<Response>;
  /** Like `send`, but resolves to the JSON of the answer. */
  json<T>(path: string, options?: RequestOptions): Promise<T>;
}

const LOCAL = 'http://127.0.0.1:3000';
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** With a longer Retry-After, the error is thrown instead of retrying. */
const LONGEST_RETRY_AFTER_S = 60;
/** Statuses of temporary errors. */
const TRANSIENT = new Set([408, 429, 500, 502, 503, 504]);

export function createTransport(options: FleetOptions): Transport {
  const { key, retries = 4, timeoutMs = 100_000 } = options;
  const ask = options.fetch ?? fetch;
  const base = new URL(options.url ?? pageOrigin() ?? LOCAL);
  if (!base.pathname.endsWith('/')) base.pathname += '/';

  const urlOf = (path: string, query: RequestOptions['query'] = {}) => {
    const url = new URL(path.startsWith('/') ? path.slice(1) : path, base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, `${value}`);
    return url;
  };

  const once = async (url: URL, { method = 'GET', headers, json, body, signal }: RequestOptions): Promise<Response> => {
    const isOurs = url.origin === base.origin; // never send the key to another host
    const asking = ask(url, {
      method,
      headers: {
        ...(key === undefined || !isOurs ? {} : { authorization: `Bearer ${key}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      return await inTime(asking, timeoutMs);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new FleetUnreachableError(`${url.origin} does not answer: ${reasonOf(cause)}`, { cause });
    }
  };

  const send = async (path: string, options: RequestOptions = {}): Promise<Response> => {
    const url = urlOf(path, options.query);
    for (let tries = 0; ; tries++) {
      const outcome = await once(url, options)
        .then(checked)
        .catch((error: unknown) => error);
      if (outcome instanceof Response) return outcome;
      if (tries >= retries || !isTransient(outcome)) throw outcome;
      await pause(pauseAfter(outcome, tries), options.signal);
    }
  };
  return {
    urlOf,
    send,
    json: async <T>(path: string, options?: RequestOptions) => (await send(path, options)).json() as Promise<T>,
  };
}

/** The page's origin in a browser. */
function pageOrigin(): string | undefined {
  return (globalThis as { readonly location?: { readonly origin: string } }).location?.origin;
}

/** Rejects after `ms`, and cancels an answer that comes later. */
async function inTime(asking: Promise<Response>, ms: number): Promise<Response> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      asking.then(({ body }) => body?.cancel()).catch(() => {});
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([asking, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  throw new FleetError(problemOf(text) ?? unknownProblem(response, text), response.headers);
}

function problemOf(text: string): Problem | undefined {
  try {
    const problem = JSON.parse(text) as Problem;
    return typeof problem.code === 'string' && typeof problem.detail === 'string' ? problem : undefined;
  } catch {
    return undefined;
  }
}

/** The problem for an answer that is not from the API, but from a proxy, for example. */
function unknownProblem({ status, statusText }: Response, text: string) {
  const code = status === 404 ? 'not_found' : 'unexpected_answer';
  return { code, status, detail: `HTTP ${status} ${statusText}: ${text.slice(0, 200)}`.trim() };
}

function isTransient(error: unknown): boolean {
  if (error instanceof FleetUnreachableError) return true;
  if (!(error instanceof FleetError)) return false;
  return TRANSIENT.has(error.status) && (error.retryAfterSeconds ?? 0) <= LONGEST_RETRY_AFTER_S;
}

/** The server's Retry-After, otherwise exponential backoff; with jitter, so that clients do not retry all at once. */
function pauseAfter(error: unknown, tries: number): number {
  const asked = error instanceof FleetError ? error.retryAfterSeconds : undefined;
  if (asked !== undefined) return asked * 1000 + Math.random() * FIRST_PAUSE_MS;
  return Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random());
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Resolves after `ms`; rejects with the signal's reason if it aborts first. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

export interface OrderOptions extends Abortable {
  /** Your own key, so that sending the same request again, even from another process, creates no second job. */
  readonly idempotencyKey?: string;
}

/** The header that makes a POST safe to retry: see docs/api.md. */
export function idempotencyKey(given?: string): { 'idempotency-key': string } {
  return { 'idempotency-key': given ?? crypto.randomUUID() };
}
