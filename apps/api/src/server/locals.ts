import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { HTTP_BUCKETS, inThisTrace, type Logger, type Metrics, nameSpanByRoute } from '@comfy-fleet/telemetry';
import type { Request, RequestHandler, Response } from 'express';
import type { Caller } from './gate.js';
import type { Reply, SentFile } from './messages.js';
import { type Dialect, problemReply } from './problems.js';
import type { Upload } from './upload-budget.js';

/** Others count as `other`, or callers could make as many time series as they like. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export type ApiInstruments = ReturnType<typeof createInstruments>;

/** What the API counts and measures. */
export function createInstruments(metrics: Metrics) {
  const requests = metrics.histogram({
    name: 'http_request_seconds',
    help:
      'From the head of a request until its answer is through or its caller gone, waiting and event streams included. ' +
      'route is the template of its path, none where nothing is. status 499: the caller was gone before there was one.',
    labels: ['method', 'route', 'status'],
    buckets: HTTP_BUCKETS,
  });
  const errors = metrics.counter({
    name: 'http_errors_total',
    help: 'Requests that were answered with an error, by its code.',
    labels: ['code'],
  });
  return {
    /** `route`: the template of the path. */
    answered: (method: string, route: string, status: number, seconds: number) =>
      requests.observe({ method: METHODS.includes(method) ? method : 'other', route, status }, seconds),
    refused: (code: string) => errors.inc({ code }),
    underWay: metrics.gauge({
      name: 'http_in_flight',
      help: 'Requests that came and whose answer is not through, waiting ones and event streams included.',
    }),
    streams: metrics.gauge({ name: 'event_streams', help: 'Event streams that are open.' }),
  };
}

/** What is known of a request before it is answered. */
export interface Locals {
  readonly requestId: string;
  /** Without the query, still percent-encoded. */
  readonly path: string;
  readonly dialects: readonly Dialect[];
  readonly log: Logger;
  readonly instruments: ApiInstruments;
  /** Aborts when the answer is sent, or the caller went away. */
  readonly signal: AbortSignal;
  /** The template of the path. */
  route: string;
  /** The WWW-Authenticate header of a 401, if it is not that for programs. */
  challenge?: string;
  caller?: Caller | undefined;
  /** Checks the key again: throws when it is no longer valid. */
  admit?: () => Promise<Caller | undefined>;
  files?: readonly SentFile[];
  /** Of a request that may bring a picture, or files. */
  upload?: Upload;
  /** Bytes of the body, before they are decompressed. */
  arrivedBytes?: number;
  /** Bytes of the files of a form that were read. */
  fileBytes?: number;
  job?: string | undefined;
  polled?: true | undefined;
}

export function localsOf(response: Response): Locals {
  return response.locals as Locals;
}

/** The status that nginx logs for callers that were gone before they had an answer. */
const GONE_STATUS = 499;
/** Errors, which abort signals make otherwise, cost more than the rest of an abort. */
const GONE = new Error('the request is over');

export interface BeginOptions {
  readonly dialects: readonly Dialect[];
  readonly instruments: ApiInstruments;
  readonly log: Logger;
}

/** Begins every request, and logs it when it is over: polls that went well at debug only. */
export function beginRequest({ dialects, instruments, log }: BeginOptions): RequestHandler {
  const { underWay } = instruments;
  return async (request, response, next) => {
    const start = performance.now();
    const { method } = request;
    const path = request.originalUrl.split('?', 1)[0] ?? '';
    const gone = new AbortController();
    const requestId = requestIdOf(request.headers['x-request-id']);
    const locals: Locals = {
      requestId,
      path,
      dialects,
      log: log.child({ request_id: requestId }),
      instruments,
      signal: gone.signal,
      route: 'none',
    };
    response.locals = { ...locals };
    response.set('X-Request-Id', requestId);
    underWay.inc();
    const closed = () => {
      gone.abort(GONE);
      underWay.dec();
      const { job, caller, polled, route } = localsOf(response);
      const ms = performance.now() - start;
      const status = response.headersSent ? response.statusCode : GONE_STATUS;
      instruments.answered(method, route, status, ms / 1000);
      const isQuiet = polled === true && (status < 400 || status === 503);
      const aborted = response.writableFinished ? undefined : true;
      const about = { method, path, status, ms: Math.round(ms), job, key: caller?.id, aborted };
      locals.log.log(isQuiet ? 'debug' : 'info', 'request', about);
    };
    response.once('close', inThisTrace(closed));
    // Node emits a request before it parses the rest of what it has read. A small body is complete a moment later, and an
    // answer that does not read it leaves the connection open.
    if (request.headers['content-length'] !== undefined) await yieldToEventLoop();
    if (!gone.signal.aborted) next();
  };
}

/** Counts and logs the request as one of that route. */
export function atRoute({ method }: Request, response: Response, path: string): void {
  localsOf(response).route = path;
  nameSpanByRoute(method, path);
}

/** What proxies and clients write there, mostly a UUID; nothing that could break a log. */
const SANE = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The name of a request in the log and in its answer. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}

export async function send({ status, headers = {}, body, refused }: Reply, response: Response): Promise<void> {
  if (refused !== undefined) localsOf(response).instruments.refused(refused);
  response.status(status);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body instanceof Readable) {
    response.flushHeaders();
    if (response.req.method !== 'HEAD') return pipeline(body, response);
    body.destroy();
    response.end();
  } else if (body === undefined) response.end();
  else {
    // Express's own json() answers 304 to some requests with If-None-Match, whatever was asked for.
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    if (!response.hasHeader('Content-Type')) response.type('json');
    response.setHeader('Content-Length', Buffer.byteLength(text));
    response.end(text);
  }
}

/** Whether the caller has what has this entity tag. Compares weakly, so a W/ that a proxy added does not matter (RFC 9110, 13.1.2). */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** Answers an error, whatever it is. */
export async function failed(error: unknown, request: Request, response: Response): Promise<void> {
  const locals = localsOf(response);
  const { challenge, log, path } = locals;
  if (request.socket.destroyed) {
    log.debug('the caller went away', { path, error });
    return;
  }
  const reply = problemReply(error, locals);
  const { status, headers } = reply;
  // An answer that has begun cannot say so: a connection that breaks off tells the caller that the body is not whole.
  if (response.headersSent && !response.writableEnded) response.destroy();
  if (response.headersSent) return;
  response.set('Cache-Control', 'no-store');
  const asking = status === 401 && challenge !== undefined ? { 'WWW-Authenticate': challenge } : {};
  await send({ ...reply, headers: { ...headers, ...asking } }, response);
}
