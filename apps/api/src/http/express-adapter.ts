import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FleetError, type Problem } from '@comfy-fleet/contracts';
import { inThisTrace, type Logger, noteFacts, noteRoute } from '@comfy-fleet/telemetry';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import type { Gate } from '../access/gate.js';
import type { HostCheck } from '../access/hosts.js';
import type { Meter, Reading } from '../access/meter.js';
import type { ApiInstruments } from '../metrics.js';
import { type BodyLimits, createBodyReaders } from './body-readers.js';
import { crossOrigin } from './cross-origin.js';
import { createHeaderList, type HeaderList } from './headers.js';
import { type Leaving, leaving } from './leaving.js';
import { type Locals, localsOf } from './locals.js';
import type { ApiRequest, Handler, Reply, Route } from './messages.js';
import { PROBLEM_TYPE, problem, problemReply } from './problems.js';
import { readingError } from './reading-errors.js';
import { requestId } from './request-id.js';
import { pathOfTarget } from './request-target.js';

/** As nginx tells of callers that were gone before they had an answer. */
const GONE_STATUS = 499;

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

export interface ExpressAppOptions {
  readonly limits: BodyLimits;
  readonly hosts: HostCheck;
  readonly gate: Gate;
  readonly meter: Meter;
  /** Origins whose pages may call. */
  readonly corsOrigins: readonly string[];
  /** Pages made by a library that brings its own routes. */
  readonly pages: readonly Pages[];
  readonly instruments: ApiInstruments;
  readonly log: Logger;
}

/** Everything below a path, for browsers. */
export interface Pages {
  readonly path: string;
  /** Called with the first request: a library for a page that few open is not loaded at every start. */
  readonly load: () => Promise<RequestHandler>;
}

/** Serves a route table with Express. Besides this file only those know Express whose libraries are made for it. */
export function expressApp(routes: readonly Route[], options: ExpressAppOptions): RequestListener {
  const { limits, hosts, corsOrigins, pages, instruments, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // jobs change all the time and are small; pictures bring their own
  if (corsOrigins.length > 0) app.use(crossOrigin(corsOrigins));
  const bodyReaders = createBodyReaders(limits, failed);
  for (const path of new Set(routes.map((route) => route.path))) {
    const sharing = routes.filter((route) => route.path === path);
    const entry = app.route(path);
    for (const route of sharing) {
      const handlers = [entered(route, options), ...bodyReaders(route.body), served(route.handler)];
      if (route.method === 'GET') entry.get(...handlers);
      else if (route.method === 'POST') entry.post(...handlers);
      else entry.delete(...handlers);
    }
    entry.all(wrongMethod(sharing, path));
  }
  for (const { path, load } of pages)
    app.use(path, browsed, entered({ access: 'browsed', method: 'GET', path }, options), loadedOnce(load));
  app.use((request: Request, response: Response) => {
    const detail = 'There is nothing at this address. GET / lists what there is.';
    return send(problem(new FleetError('not_found', detail), pathOf(request)), response);
  });
  // Express knows an error handler by its four parameters.
  app.use(async (error: unknown, request: Request, response: Response, _next: NextFunction) => {
    const reading = await localsOf(response).tally?.read();
    if (reading !== undefined) localsOf(response).limits = reading.headers;
    return failed(reading?.refusal ?? readingError(error), request, response);
  });
  const begin = beginning(createHeaderList(), instruments, log);
  // Begun before Express has it: a middleware would cost each request its part of the walk through the others.
  return (request, response) => {
    request.url = pathOfTarget(request.url);
    const begun = Object.assign(request, { originalUrl: request.url }) as Request;
    begin(begun, response as Response);
    const fault = hosts(begun);
    if (fault === undefined) app(request, response);
    else void failed(fault, begun, response as Response);
  };
}

/** A browser asks its user for a name, which does not matter, and a password, which is the key. */
const browsed: RequestHandler = (_request, response, next) => {
  localsOf(response).challenge =
    'Basic realm="comfy-fleet: an API key with the scope admin as password", charset="UTF-8"';
  next();
};

function loadedOnce(load: Pages['load']): RequestHandler {
  let loading: Promise<RequestHandler> | undefined;
  return async (request, response, next) => {
    loading ??= load();
    const serve = await loading;
    await serve(request, response, next);
  };
}

/** Asks who is there, and counts the request, before its body is read. */
function entered(
  { method, path, access, counted, polled }: Omit<Route, 'handler'>,
  { gate, meter, instruments }: ExpressAppOptions,
): RequestHandler {
  const answered = instruments.answered(method, path);
  return async (request, response, next) => {
    const locals = localsOf(response);
    locals.polled = polled;
    locals.answered = answered;
    noteRoute(request.method, path);
    const visit = {
      method: request.method,
      path: pathOf(request),
      get query() {
        return queryOf(request);
      },
      header: (name: string) => request.get(name),
    };
    locals.caller = await gate.admit(access, visit);
    const tally = meter(locals.caller);
    locals.tally = tally;
    locals.counting = counted === 'within' ? tally.within() : undefined;
    if (counted === 'beside') void tally.read();
    else if (locals.counting === undefined) refuseIfTooMany(await tally.read(), response);
    next();
  };
}

function refuseIfTooMany({ headers, refusal }: Reading, response: Response): void {
  localsOf(response).limits = headers;
  if (refusal !== undefined) throw refusal;
}

function served(handler: Handler): RequestHandler {
  return async (request, response) => {
    const locals = localsOf(response);
    const { gone } = locals;
    locals.job = request.params.id as string | undefined;
    try {
      const answer = (async () => handler(toApiRequest(request, locals)))();
      answer.catch(() => {}); // until it is waited for
      // Then it may have counted the request; if it did not come to that, it is done now. While Redis is away that would
      // only make the caller wait again, and a job that may be made all the same is not to be refused as one too many.
      const isAway = locals.counting !== undefined && (await answer.then(() => false, isUnavailable));
      const reading = isAway ? undefined : await locals.tally?.read();
      if (reading?.refusal !== undefined) discard(answer, gone);
      if (reading !== undefined) refuseIfTooMany(reading, response);
      const reply = await answer;
      if (reply.job !== undefined) locals.job = reply.job;
      if (locals.job !== undefined) noteFacts({ 'comfy_fleet.job.id': locals.job });
      await send(reply, response);
    } catch (error) {
      await failed(error, request, response);
    }
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'queue_unavailable';
}

/** Nobody will read what it answers. */
function discard(answer: Promise<Reply>, gone: Leaving): void {
  gone.abort();
  answer.then(({ body }) => body instanceof Readable && body.destroy()).catch(() => {});
}

async function failed(error: unknown, request: Request, response: Response): Promise<void> {
  const { challenge, log } = localsOf(response);
  if (request.socket.destroyed) {
    log.debug('the caller went away', { path: pathOf(request), error });
    return;
  }
  const reply = problemReply(error, pathOf(request), log);
  // Too late to say so: a connection that breaks off tells the caller that the body is not whole.
  if (response.headersSent) response.destroy();
  else if (reply.status !== 401 || challenge === undefined) await send(reply, response);
  else await send({ ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } }, response);
}

function toApiRequest(request: Request, locals: Locals): ApiRequest {
  const { caller, counting, gone } = locals;
  const { file } = request;
  return {
    method: request.method,
    path: pathOf(request),
    params: request.params as Record<string, string>,
    get query() {
      return queryOf(request);
    },
    header: (name) => request.get(name),
    caller,
    counting,
    range: (size) => {
      const ranges = request.range(size, { combine: true });
      if (ranges === -1) return 'unsatisfiable';
      // What is no range, is in another unit or is several ranges may be answered with the whole (RFC 9110, 14.2).
      if (!Array.isArray(ranges) || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
      return ranges[0];
    },
    body: request.body,
    get isForm() {
      return Boolean(request.is('multipart/form-data'));
    },
    file: file === undefined ? undefined : { data: file.buffer, contentType: file.mimetype },
    picture: locals.picture,
    holds: (bytes) => locals.upload?.arrived(bytes),
    get log() {
      return locals.log;
    },
    get signal() {
      return gone.signal;
    },
    get hasLeft() {
      return gone.isOver;
    },
  };
}

/** As Express does it, without what the answers of this API never need: an ETag, a look at what the caller has already. */
async function send({ status, headers, body }: Reply, response: Response): Promise<void> {
  const { headerList, limits, requestId, instruments } = localsOf(response);
  const id = { 'X-Request-Id': requestId };
  if (headers?.['Content-Type'] === PROBLEM_TYPE) instruments.refused((body as Problem).code);
  if (body instanceof Readable) {
    response.writeHead(status, headerList(id, limits, headers)).flushHeaders();
    if (response.req.method === 'HEAD') {
      body.destroy();
      response.end();
    } else await pipeline(body, response);
  } else if (body === undefined) {
    response.writeHead(status, headerList(id, limits, headers)).end();
  } else {
    const text = JSON.stringify(body);
    const type = headers?.['Content-Type'] === undefined ? JSON_TYPE : undefined;
    const length = { 'Content-Length': `${Buffer.byteLength(text)}` };
    response.writeHead(status, headerList(type, id, limits, headers, length)).end(text);
  }
}

function wrongMethod(sharing: readonly Route[], path: string): RequestHandler {
  const methods = sharing.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = [...methods, 'OPTIONS'].join(', ');
  return (request, response) => {
    const locals = localsOf(response);
    locals.answered = locals.instruments.answered(request.method, path);
    noteRoute(request.method, path);
    if (request.method === 'OPTIONS') return send({ status: 204, headers: { Allow: allow } }, response);
    const detail = `${request.method} is not possible here; ${allow} are.`;
    return send(problem(new FleetError('method_not_allowed', detail), pathOf(request), { Allow: allow }), response);
  };
}

/** One line for every request, when its answer is through or its caller gone. Of polls that went well at debug only. */
function beginning(headerList: HeaderList, instruments: ApiInstruments, log: Logger) {
  const { underWay } = instruments;
  return (request: Request, response: Response): void => {
    const start = performance.now();
    const path = pathOf(request);
    const gone = leaving();
    const id = requestId(request.headers['x-request-id']);
    let child: Logger | undefined;
    const locals: Locals = {
      headerList,
      gone,
      requestId: id,
      // Made for who asks: most requests have nothing to tell.
      get log() {
        child ??= log.child({ request_id: id });
        return child;
      },
      instruments,
    };
    response.locals = locals;
    underWay.requests += 1;
    const closed = () => {
      gone.abort();
      underWay.requests -= 1;
      const { job, caller, polled, answered } = locals;
      const statusCode = response.headersSent ? response.statusCode : GONE_STATUS;
      const tell = answered ?? instruments.answered(request.method, 'none');
      tell(statusCode, (performance.now() - start) / 1000);
      const isQuiet = polled === true && (statusCode < 400 || statusCode === 503);
      if (isQuiet && !log.isDebugEnabled()) return;
      log.log(isQuiet ? 'debug' : 'info', 'request', {
        request_id: id,
        method: request.method,
        path,
        status: statusCode,
        ms: Math.round(performance.now() - start),
        ...(job === undefined ? {} : { job }),
        ...(caller === undefined ? {} : { key: caller.id }),
        ...(response.writableFinished ? {} : { aborted: true }),
      });
    };
    response.once('close', inThisTrace(closed));
  };
}

function queryOf(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}

function pathOf(request: Request): string {
  return request.originalUrl.split('?', 1)[0] ?? '';
}
