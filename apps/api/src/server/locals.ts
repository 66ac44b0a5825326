import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { inThisTrace, type Logger, noteRoute } from '@comfy-fleet/telemetry';
import type { Request, RequestHandler, Response } from 'express';
import type { Caller } from './caller.js';
import type { Reply, SentFile } from './messages.js';
import type { Answered, ApiInstruments } from './metrics.js';
import { type Dialect, dialectOf, problemReply } from './problems.js';
import type { Upload } from './upload-budget.js';

/** What is known of a request before it is answered. */
export interface Locals {
  readonly requestId: string;
  /** Without the query, still percent-encoded. */
  readonly path: string;
  /** Of the path; undefined: ours. */
  readonly dialect: Dialect | undefined;
  /** Writes the request's id on each line. */
  readonly log: Logger;
  readonly instruments: ApiInstruments;
  /** Aborts when the answer is sent, or the caller went away. */
  readonly signal: AbortSignal;
  /** Counts the answer among those of its route. */
  answered: Answered;
  /** How the caller is asked for a key, where it is not by the header that programs send. */
  challenge?: string;
  caller?: Caller | undefined;
  /** Lets the caller in, or throws, as the keys are now. */
  admit?: () => Promise<Caller | undefined>;
  files?: readonly SentFile[];
  /** Of a request that may bring a picture, or files. */
  upload?: Upload;
  /** Bytes of the body, before they are decompressed. */
  arrivedBytes?: number;
  job?: string | undefined;
  polled?: true | undefined;
}

export function localsOf(response: Response): Locals {
  return response.locals as Locals;
}

/** The status that nginx logs for callers that were gone before they had an answer. */
const GONE_STATUS = 499;

export interface BeginOptions {
  readonly dialects: readonly Dialect[];
  readonly instruments: ApiInstruments;
  readonly log: Logger;
}

/** Begins every request. Its line is logged when the answer is sent or the caller gone: of polls that went well at debug only. */
export function beginRequest({ dialects, instruments, log }: BeginOptions): RequestHandler {
  const { underWay } = instruments;
  return async (request, response, next) => {
    const start = performance.now();
    const path = pathOf(request);
    const gone = new AbortController();
    const requestId = requestIdOf(request.headers['x-request-id']);
    const locals: Locals = {
      requestId,
      path,
      dialect: dialectOf(dialects, path),
      log: log.child({ request_id: requestId }),
      instruments,
      signal: gone.signal,
      answered: instruments.answered(request.method, 'none'),
    };
    Object.assign(response.locals, locals);
    response.set('X-Request-Id', requestId);
    underWay.requests += 1;
    const closed = () => {
      gone.abort();
      underWay.requests -= 1;
      const { job, caller, polled, answered } = localsOf(response);
      const status = response.headersSent ? response.statusCode : GONE_STATUS;
      answered(status, (performance.now() - start) / 1000);
      const isQuiet = polled === true && (status < 400 || status === 503);
      locals.log.log(isQuiet ? 'debug' : 'info', 'request', {
        method: request.method,
        path,
        status,
        ms: Math.round(performance.now() - start),
        job,
        key: caller?.id,
        aborted: response.writableFinished ? undefined : true,
      });
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
  const locals = localsOf(response);
  locals.answered = locals.instruments.answered(method, path);
  noteRoute(method, path);
}

function pathOf({ originalUrl }: Request): string {
  return originalUrl.split('?', 1)[0] ?? '';
}

/** What proxies and clients write there: a UUID mostly. Nothing that could make a mess of a log. */
const SANE = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The name of a request in the log and in its answer: the caller's own, if it has a sane one, else a new one. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}

export async function send({ status, headers, body, refused }: Reply, response: Response): Promise<void> {
  if (refused !== undefined) localsOf(response).instruments.refused(refused);
  response.status(status);
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (body instanceof Readable) {
    response.flushHeaders();
    if (response.req.method !== 'HEAD') await pipeline(body, response);
    else {
      body.destroy();
      response.end();
    }
  } else if (body === undefined) response.end();
  else {
    // Express's own json() answers 304 to some requests with If-None-Match, whatever was asked for.
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    if (response.get('Content-Type') === undefined) response.type('json');
    response.set('Content-Length', `${Buffer.byteLength(text)}`).end(text);
  }
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
  // Too late to say so: a connection that breaks off tells the caller that the body is not whole.
  if (response.headersSent) response.destroy();
  else if (reply.status !== 401 || challenge === undefined) await send(reply, response);
  else await send({ ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } }, response);
}
