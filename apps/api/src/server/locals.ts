import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HTTP_BUCKETS, inThisTrace, type Logger, type Metrics, nameSpanByRoute } from '@comfy-fleet/telemetry';
import type { Request, RequestHandler, Response } from 'express';
import { LRUCache } from 'lru-cache';
import type { Caller } from './gate.js';
import { type OpenStreams, openUntil } from './key-limits.js';
import { isClosedByClient } from './listen.js';
import type { Reply, SentFile } from './messages.js';
import { type Dialect, problemReply } from './problems.js';
import { EVENT_STREAM } from './server-sent-events.js';

/** Other methods count as `other`; otherwise callers could create any number of time series. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export type ApiInstruments = ReturnType<typeof createInstruments>;

/** The metrics of the API. */
export function createInstruments(metrics: Metrics) {
  const requests = metrics.histogram({
    name: 'http_request_seconds',
    help:
      'Time from the headers of a request until the response is sent or the caller has disconnected, including waits, ' +
      'event streams and sockets. route: the path template; none: no route matches. status 499: the caller left before the response.',
    labels: ['method', 'route', 'status'],
    buckets: HTTP_BUCKETS,
  });
  const errors = metrics.counter({
    name: 'http_errors_total',
    help: 'Requests that were answered with an error, by error code.',
    labels: ['code'],
  });
  return {
    /** `route`: the template of the path. */
    answered: (method: string, route: string, status: number, seconds: number) =>
      requests.observe({ method: METHODS.includes(method) ? method : 'other', route, status }, seconds),
    refused: (code: string) => errors.inc({ code }),
    underWay: metrics.gauge({
      name: 'http_in_flight',
      help: 'Requests whose response has not been sent completely, including waits, event streams and sockets.',
    }),
    streams: metrics.gauge({ name: 'event_streams', help: 'Open event streams.' }),
  };
}

/** What is known about a request while it is served. */
export interface Locals {
  readonly requestId: string;
  /** Without the query, still percent-encoded. */
  readonly path: string;
  readonly dialects: readonly Dialect[];
  readonly log: Logger;
  readonly instruments: ApiInstruments;
  readonly downloads: OpenStreams;
  readonly publicResponses: PublicResponses;
  /** Aborts when the response is sent (a large one: read) or the caller has disconnected. */
  readonly signal: AbortSignal;
  /** The template of the path. */
  route: string;
  /** The WWW-Authenticate header of a 401, if it is not the default one. */
  challenge?: string;
  caller?: Caller | undefined;
  /** Checks the key again. Throws when it is no longer valid. */
  admit?: () => Promise<Caller | undefined>;
  /** Ends the request because its key is no longer valid; undefined: by closing the connection. */
  cut?: () => void;
  files?: readonly SentFile[];
  /** Counts memory that the request occupies besides its body. */
  holds?: (bytes: number) => void;
  /** How many bytes of a form's files have been read. */
  fileBytes?: number;
  job?: string | undefined;
  polled?: true | undefined;
}

export function localsOf(response: Response): Locals {
  return response.locals as Locals;
}

/** Larger responses that are sent but not read fill the kernel's memory. */
export const LARGE_BYTES = 64 * 1024;
/** Limit for large responses to requests without a key. */
const MOST_PUBLIC = 100;
/** The status that nginx logs when the caller disconnected before the response. */
const GONE_STATUS = 499;
/** Shared by all requests: without a reason, each abort would create an error, which costs more than the rest of the abort. */
const GONE = new Error('the request is over');

/** Large public responses, such as pages, that are not known to have been read. Beyond the limit the oldest is cut off. */
type PublicResponses = LRUCache<Response, true>;

export interface BeginOptions {
  readonly dialects: readonly Dialect[];
  readonly instruments: ApiInstruments;
  /** Large responses that are not known to have been read. */
  readonly downloads: OpenStreams;
  readonly log: Logger;
}

/** Prepares every request and logs it when it ends, successful polls at debug level. */
export function beginRequest({ dialects, instruments, downloads, log }: BeginOptions): RequestHandler {
  const { underWay } = instruments;
  // To refuse new ones would let anybody who reads nothing keep all others from the pages.
  const publicResponses: PublicResponses = new LRUCache({
    max: MOST_PUBLIC,
    dispose: (_sent, { req }, reason) => {
      if (reason === 'evict') req.socket.resetAndDestroy();
    },
  });
  return (request, response, next) => {
    const start = performance.now();
    const { method } = request;
    const path = request.originalUrl.split('?', 1)[0] ?? '';
    const gone = new AbortController();
    const requestId = requestIdOf(request.headers['x-request-id']);
    response.locals = {
      requestId,
      path,
      dialects,
      get log() {
        return log.child({ request_id: requestId });
      },
      instruments,
      downloads,
      publicResponses,
      signal: gone.signal,
      route: 'none',
    } satisfies Locals;
    response.setHeader('X-Request-Id', requestId);
    underWay.inc();
    const closed = () => {
      gone.abort(GONE);
      underWay.dec();
      const { job, caller, polled, route } = localsOf(response);
      const ms = performance.now() - start;
      const isSocket = response.statusCode === 101;
      const status = response.headersSent || isSocket ? response.statusCode : GONE_STATUS;
      instruments.answered(method, route, status, ms / 1000);
      const isQuiet = polled === true && (status < 400 || status === 503);
      const aborted = response.writableFinished || isSocket ? undefined : true;
      const about = { request_id: requestId, method, path, status, ms: Math.round(ms), job, key: caller?.id, aborted };
      log.log(isQuiet ? 'debug' : 'info', 'request', about);
    };
    const over = inThisTrace(closed);
    response.once('close', () => {
      if (isClosedByClient(response) && !request.socket.destroyed) request.socket.once('close', over);
      else over();
    });
    // Node emits a request before it parses the rest of the data it has read. A small body is complete a moment later, and
    // then the connection can stay open even if the response is sent without reading the body.
    const begin = () => {
      if (!gone.signal.aborted) next();
    };
    if (request.headers['content-length'] === undefined) begin();
    else setImmediate(begin);
  };
}

/** Attributes the request to a route in metrics and traces. */
export function atRoute({ method }: Request, response: Response, path: string): void {
  localsOf(response).route = path;
  nameSpanByRoute(method, path);
}

/** Request ids of common proxies and clients, mostly UUIDs. Excludes characters that could corrupt a log. */
const SANE = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The id of a request in the log and in the response: the given one if it is valid, otherwise a new one. */
function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}

export async function send({ status, headers = {}, body, refused }: Reply, response: Response): Promise<void> {
  if (refused !== undefined) localsOf(response).instruments.refused(refused);
  // Express's json() would answer 304 to some requests with If-None-Match.
  const content = typeof body === 'object' && !(body instanceof Readable) ? JSON.stringify(body) : body;
  if (response.req.method !== 'HEAD' && isLarge(content, headers)) {
    try {
      countUntilRead(response, content);
    } catch (error) {
      if (content instanceof Readable) content.destroy();
      throw error;
    }
  }
  response.status(status);
  for (const [name, value] of Object.entries(headers)) {
    // CORS has set Vary already.
    if (name === 'Vary') response.vary(value);
    else response.setHeader(name, value);
  }
  if (content instanceof Readable) {
    response.flushHeaders();
    if (response.req.method !== 'HEAD') return pipeline(content, response);
    content.destroy();
    response.end();
  } else if (content === undefined) response.end();
  else {
    if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(content));
    response.end(content);
  }
}

/** Streams of events count as open streams while they last. */
function isLarge(content: string | Readable | undefined, headers: NonNullable<Reply['headers']>): boolean {
  if (!(content instanceof Readable)) return content !== undefined && Buffer.byteLength(content) > LARGE_BYTES;
  return headers['Content-Type'] !== EVENT_STREAM && Number(headers['Content-Length'] ?? Infinity) > LARGE_BYTES;
}

/** Makes a large response last until the client has closed the connection, and count as a download. Throws too_many_streams. */
export function countUntilRead(response: Response, content?: unknown): void {
  const { signal, downloads, publicResponses, caller } = localsOf(response);
  // What other methods have done would be done again if they were refused.
  if (response.req.method === 'GET') {
    if (caller !== undefined) openUntil(signal, downloads, caller.id);
    // A file without a caller was counted for its key.
    else if (!(content instanceof Readable)) {
      signal.throwIfAborted();
      publicResponses.set(response, true);
      signal.addEventListener('abort', () => publicResponses.delete(response), { once: true });
    }
  }
  response.setHeader('Connection', 'close');
}

/** Whether If-None-Match contains this entity tag. The comparison is weak (RFC 9110, 13.1.2), so a proxy may add W/. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** Sends the response to any error. */
export async function failed(error: unknown, request: Request, response: Response): Promise<void> {
  const locals = localsOf(response);
  const { challenge, log, path } = locals;
  if (request.socket.destroyed) {
    log.debug('the caller disconnected', { path, error });
    return;
  }
  const reply = problemReply(error, locals);
  const { status, headers } = reply;
  // A response that has begun cannot report an error, so the connection is cut to show the caller that the body is incomplete.
  if (response.headersSent && !response.writableEnded) response.destroy();
  if (response.headersSent) return;
  response.set('Cache-Control', 'no-store');
  const asking = status === 401 && challenge !== undefined ? { 'WWW-Authenticate': challenge } : {};
  await send({ ...reply, headers: { ...headers, ...asking } }, response);
}
