import { FleetError } from '@comfy-fleet/contracts';
import { setSpanAttributes } from '@comfy-fleet/telemetry';
import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import type { Receive } from './form-readers.js';
import { type Entrance, type Gate, type HostCheck, knownCaller } from './gate.js';
import type { Meter } from './key-limits.js';
import { isForSocket, queryOf } from './listen.js';
import { atRoute, type BeginOptions, beginRequest, failed, localsOf, send } from './locals.js';
import type { ApiRequest, Route } from './messages.js';
import { refusal } from './problems.js';
import { type BodyLimits, createBodyReaders, readingError } from './read-body.js';
import { EVENT_STREAM } from './server-sent-events.js';
import { createSockets, type SocketOptions, type SocketRoute } from './sockets.js';
import type { Turns } from './turns.js';

/** After this much silence, in ms, TCP keep-alive checks whether the client of a held request is still connected. */
const KEEP_ALIVE_PROBE_MS = 30_000;
/** Response headers that pages of other origins may read. */
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
/**
 * Omits headers that only old browsers and plugins read. They took 5 % of the CPU time of `POST /generate`, and 250 bytes
 * of each response.
 */
const HEADERS: HelmetOptions = {
  crossOriginOpenerPolicy: false, // only for pages, which set it themselves
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false, // replaced by frame-ancestors
  xPermittedCrossDomainPolicies: false,
  xPoweredBy: false,
  xXssProtection: false,
};
/** Browsers ask for a user name, which is ignored, and a password, which is the API key. */
const PASSWORD = 'Basic realm="comfy-fleet: an API key with the scope admin as password", charset="UTF-8"';

export interface ExpressAppOptions extends BeginOptions {
  readonly gate: Gate;
  readonly meter: Meter;
  readonly hosts: HostCheck;
  /** How often the key of a long-running request or socket is checked again, in ms. */
  readonly readmitMs: number;
  readonly limits: BodyLimits;
  readonly receive: Receive;
  readonly computing: Turns;
  /** Origins whose pages may call the API; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** Pages that come with their own router. */
  readonly pages: readonly Pages[];
  readonly sockets: readonly SocketRoute[];
  readonly openSockets: SocketOptions;
}

/** Everything below a path, for browsers. */
export interface Pages extends Pick<Route, 'path' | 'access'> {
  /** Called on the first request, so that rarely used libraries are not loaded at every start. */
  readonly load: () => Promise<RequestHandler>;
}

/** Serves a route table with Express. No code outside this folder depends on Express. */
export function expressApp(routes: readonly Route[], options: ExpressAppOptions): Express {
  const { limits, receive, computing, hosts, corsOrigins, pages, sockets, openSockets } = options;
  const readers = createBodyReaders(limits, receive, computing);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // jobs are small and change often; files set their own
  app.use(beginRequest(options));
  app.use(helmet(HEADERS));
  app.use((request, response, next) => {
    response.setHeader('Cache-Control', 'no-store');
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
  const open = createSockets(openSockets);
  for (const { path, connect, ...route } of sockets) {
    const isSocket: RequestHandler = (request, _response, next) => next(isForSocket(request) ? undefined : 'route');
    app.get(path, isSocket, entered({ ...route, path, isSocket: true }, options), (request, response) =>
      open(response, (socket) => connect(socket, requestOf(request, response))),
    );
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

/** Authenticates the caller and counts the request before the body is read. Checks the key again until the response ends. */
function entered(
  { path, polled, ...entrance }: Pick<Route, 'path' | 'polled'> & Entrance,
  { gate, meter, readmitMs }: Pick<ExpressAppOptions, 'gate' | 'meter' | 'readmitMs'>,
): RequestHandler {
  return async (request, response, next) => {
    atRoute(request, response, path);
    const locals = localsOf(response);
    locals.polled = polled;
    if (entrance.access === 'browsed') locals.challenge = PASSWORD;
    const visit = requestOf(request, response);
    locals.admit = () => gate.admit(entrance, visit);
    locals.caller = await locals.admit();
    const { headers, refusal: tooMany } = await meter(locals.caller);
    response.set(headers);
    if (tooMany !== undefined) throw tooMany;
    // The request has already ended: listeners for its end that are added now would never run.
    if (locals.signal.aborted) return;
    if (locals.caller !== undefined) checkAgain(response, readmitMs);
    next();
  };
}

/** Calls the handler and sends its reply. */
function served(
  { handler, held }: Pick<Route, 'handler' | 'held'>,
  { readmitMs }: Pick<ExpressAppOptions, 'readmitMs'>,
): RequestHandler {
  return async (request, response) => {
    const locals = localsOf(response);
    locals.job = request.params.id as string | undefined;
    const answer = (async () => handler(requestOf(request, response)))();
    if (held) allowSilence(request, answer);
    const reply = await answer;
    if (reply.job !== undefined) locals.job = reply.job;
    if (locals.job !== undefined) setSpanAttributes({ 'comfy_fleet.job.id': locals.job });
    const isStream = reply.headers?.['Content-Type'] === EVENT_STREAM;
    // A download may outlast its signed link, but an event stream, which may last for hours, may not.
    if (isStream && locals.caller === undefined) checkAgain(response, readmitMs);
    await send(reply, response);
  };
}

/** A request as handlers see it. */
function requestOf(request: Request, response: Response): ApiRequest {
  const locals = localsOf(response);
  const { caller: visitor, files = [], path, signal, holds } = locals;
  // Only files that were read into memory have a buffer.
  const [file] = (request.files ?? []) as { readonly buffer?: Buffer }[];
  const contentType = (request.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return {
    method: request.method,
    path,
    params: request.params as Record<string, string>,
    get query() {
      return queryOf(request.originalUrl);
    },
    header: (name) => request.get(name),
    get caller() {
      return knownCaller(visitor);
    },
    readmit: async () => void (await locals.admit?.()),
    visitor,
    range: (size) => rangeOf(request, size),
    refuse: (error, headers) => refusal(error, locals, headers),
    body: request.body,
    contentType,
    isForm: contentType === 'multipart/form-data',
    file: file?.buffer,
    files,
    holds: (bytes) => holds?.(bytes),
    get log() {
      return locals.log;
    },
    signal,
  };
}

function rangeOf(request: Request, size: number): ReturnType<ApiRequest['range']> {
  const ranges = request.range(size, { combine: true });
  // More last bytes than there are mean the whole file (RFC 9110, 14.1.2).
  if (ranges === -1) return /^bytes=-0*[1-9]/.test(request.get('range') ?? '') ? undefined : 'unsatisfiable';
  // The whole file is a valid response to anything other than a single byte range (RFC 9110, 14.2).
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}

/** Checks the key periodically and closes the connection when it is no longer valid, for example because it was revoked. */
function checkAgain(response: Response, everyMs: number): void {
  if (localsOf(response).signal.aborted) return;
  const check = async () => {
    const { admit, cut = () => response.destroy() } = localsOf(response);
    try {
      await admit?.();
    } catch (error) {
      // Other errors, such as Redis being down, do not close the connection.
      if (error instanceof FleetError && ['unauthorized', 'forbidden'].includes(error.code)) cut();
    }
  };
  const checking = setInterval(() => void check(), everyMs);
  response.once('close', () => clearInterval(checking));
}

/** Suspends the idle timeout until the handler has replied. While the reply is sent, the usual timeout applies. */
function allowSilence({ socket }: Request, answer: Promise<unknown>): void {
  const { timeout = 0 } = socket;
  socket.setTimeout(0);
  socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
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
