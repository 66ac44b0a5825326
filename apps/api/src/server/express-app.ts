import { FleetError } from '@comfy-fleet/contracts';
import { type Logger, setSpanAttributes } from '@comfy-fleet/telemetry';
import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Receive } from './form-readers.js';
import { type Gate, type HostCheck, knownCaller } from './gate.js';
import type { Meter } from './key-limits.js';
import { type ApiInstruments, atRoute, beginRequest, failed, localsOf, send } from './locals.js';
import type { ApiRequest, Route } from './messages.js';
import { type Dialect, refusal } from './problems.js';
import { type BodyLimits, createBodyReaders, readingError } from './read-body.js';
import type { Turns } from './turns.js';

/** How often the other side of a silent connection is asked whether it is still there, in ms. */
const ASK_MS = 30_000;
/** Headers that pages of other origins may read. */
const EXPOSED = [
  'ETag',
  'Idempotent-Replayed',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-Request-Id',
];
const PREFLIGHT_SECONDS = 7200;
/** A browser asks its user for a name, which does not matter, and a password, which is the key. */
const PASSWORD = 'Basic realm="comfy-fleet: an API key with the scope admin as password", charset="UTF-8"';

export interface Entrance {
  readonly gate: Gate;
  readonly meter: Meter;
  readonly hosts: HostCheck;
  readonly dialects: readonly Dialect[];
  readonly instruments: ApiInstruments;
  /** How often the key of a request or socket that lasts is checked again, in ms. */
  readonly readmitMs: number;
  readonly log: Logger;
}

export interface ExpressAppOptions extends Entrance {
  readonly limits: BodyLimits;
  readonly receive: Receive;
  readonly computing: Turns;
  /** Origins whose pages may call; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** Pages made by a library that brings its own routes. */
  readonly pages: readonly Pages[];
}

/** Everything below a path, for browsers. */
export interface Pages extends Pick<Route, 'path' | 'access'> {
  /** Called with the first request: a library for a page that few open is not loaded at every start. */
  readonly load: () => Promise<RequestHandler>;
}

/** Serves a route table with Express, which nothing outside this folder knows. */
export function expressApp(routes: readonly Route[], options: ExpressAppOptions): Express {
  const { limits, receive, computing, hosts, corsOrigins, pages } = options;
  const readers = createBodyReaders(limits, receive, computing);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // jobs change all the time and are small; pictures bring their own
  app.use(beginRequest(options));
  app.use(helmet());
  app.use((request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next(hosts(request));
  });
  if (corsOrigins.length > 0) {
    // Keys travel in headers, so no cookies are allowed.
    const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins];
    const methods = ['GET', 'HEAD', 'POST', 'DELETE'];
    app.use(cors({ origin, methods, exposedHeaders: EXPOSED, maxAge: PREFLIGHT_SECONDS }));
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const sharing = routes.filter((route) => route.path === path);
    const entry = app.route(path);
    for (const route of sharing) {
      const name = route.method.toLowerCase() as Lowercase<Route['method']>;
      entry[name](entered(route, options), ...readers(route), served(route, options));
    }
    entry.all(wrongMethod(sharing, path));
  }
  for (const { path, access, load } of pages) {
    let loading: Promise<RequestHandler> | undefined;
    app.use(path, entered({ access, path }, options), async (request, response, next) => {
      loading ??= load();
      const serve = await loading;
      await serve(request, response, next);
    });
  }
  app.use(() => {
    throw new FleetError('not_found', 'There is nothing at this address. GET / lists what there is.');
  });
  // Express recognises an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
    failed(readingError(error), request, response),
  );
  return app;
}

/** Authenticates the caller and counts the request, before its body is read. The key is checked again until the answer ends. */
function entered(
  { path, access, basic, polled }: Pick<Route, 'path' | 'access' | 'basic' | 'polled'>,
  { gate, meter, readmitMs }: Entrance,
): RequestHandler {
  return async (request, response, next) => {
    atRoute(request, response, path);
    const locals = localsOf(response);
    locals.polled = polled;
    if (access === 'browsed') locals.challenge = PASSWORD;
    const visit = {
      method: request.method,
      path: locals.path,
      takesBasic: basic === true,
      query: () => queryOf(request),
      header: (name: string) => request.get(name),
    };
    locals.admit = () => gate.admit(access, visit);
    locals.caller = await locals.admit();
    const { headers, refusal: tooMany } = await meter(locals.caller);
    response.set(headers);
    if (tooMany !== undefined) throw tooMany;
    // Nothing that waits for the end of a request that is over would ever be released.
    if (locals.signal.aborted) return;
    if (locals.caller !== undefined) checkAgain(response, readmitMs);
    next();
  };
}

/** Calls the handler, and sends its answer. */
function served(
  { handler, held }: Pick<Route, 'handler' | 'held'>,
  { readmitMs }: Pick<Entrance, 'readmitMs'>,
): RequestHandler {
  return async (request, response) => {
    const locals = localsOf(response);
    locals.job = request.params.id as string | undefined;
    const answer = (async () => handler(requestOf(request, response)))();
    if (held) allowSilence(request, answer);
    const reply = await answer;
    if (reply.job !== undefined) locals.job = reply.job;
    if (locals.job !== undefined) setSpanAttributes({ 'comfy_fleet.job.id': locals.job });
    const isStream = reply.headers?.['Content-Type'] === 'text/event-stream';
    // A link may expire while its file is downloaded, but not its stream of events, which may last for hours.
    if (isStream && locals.caller === undefined) checkAgain(response, readmitMs);
    await send(reply, response);
  };
}

/** A request as handlers see it. */
function requestOf(request: Request, response: Response): ApiRequest {
  const locals = localsOf(response);
  const { caller: visitor, files = [], log, path, signal, upload } = locals;
  const { file } = request;
  return {
    method: request.method,
    path,
    params: request.params as Record<string, string>,
    query: queryOf(request),
    header: (name) => request.get(name),
    get caller() {
      return knownCaller(visitor);
    },
    visitor,
    range: (size) => rangeOf(request, size),
    refuse: (error, headers) => refusal(error, locals, headers),
    body: request.body,
    contentType: (request.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
    isForm: Boolean(request.is('multipart/form-data')),
    file: file === undefined ? undefined : { data: file.buffer, contentType: file.mimetype },
    files,
    holds: (bytes) => upload?.arrived(bytes),
    log,
    signal,
  };
}

function queryOf({ originalUrl }: Request): URLSearchParams {
  return new URLSearchParams(originalUrl.split('?').slice(1).join('?'));
}

function rangeOf(request: Request, size: number): ReturnType<ApiRequest['range']> {
  const ranges = request.range(size, { combine: true });
  if (ranges === -1) return 'unsatisfiable';
  // Anything but one range of bytes may be answered with the whole (RFC 9110, 14.2).
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}

/** Breaks off the request once its caller would not be admitted any more, as when its key was revoked. */
function checkAgain(response: Response, everyMs: number): void {
  if (localsOf(response).signal.aborted) return;
  const check = async () => {
    try {
      await localsOf(response).admit?.();
    } catch (error) {
      // A signed link that cannot be checked while Redis is away is not refused.
      if (error instanceof FleetError && ['unauthorized', 'forbidden'].includes(error.code)) response.destroy();
    }
  };
  const checking = setInterval(() => void check(), everyMs);
  response.once('close', () => clearInterval(checking));
}

/** Until there is an answer; a client that does not read it has the usual time. */
function allowSilence({ socket }: Request, answer: Promise<unknown>): void {
  const { timeout = 0 } = socket;
  socket.setTimeout(0);
  socket.setKeepAlive(true, ASK_MS);
  const restore = () => socket.setTimeout(timeout);
  answer.then(restore, restore);
}

function wrongMethod(sharing: readonly Route[], path: string): RequestHandler {
  const methods = sharing.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = [...methods, 'OPTIONS'].join(', ');
  return (request, response) => {
    atRoute(request, response, path);
    response.set('Allow', allow);
    if (request.method === 'OPTIONS') return void response.status(204).end();
    throw new FleetError('method_not_allowed', `${request.method} is not possible here; ${allow} are.`);
  };
}
