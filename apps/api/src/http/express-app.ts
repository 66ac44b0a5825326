import type { RequestListener } from 'node:http';
import { FleetError } from '@comfy-fleet/contracts';
import { type Logger, noteRoute } from '@comfy-fleet/telemetry';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { HostCheck } from '../access/hosts.js';
import { beginning } from './begin-request.js';
import { type BodyLimits, createBodyReaders } from './body-readers.js';
import { faultOf } from './counting.js';
import { crossOrigin } from './cross-origin.js';
import { type Dialect, dialectOf } from './dialect.js';
import { type Entrance, entered, served } from './exchange.js';
import { createApp } from './express-classes.js';
import type { Receive } from './file-readers.js';
import { localsOf } from './locals.js';
import type { Route } from './messages.js';
import { refusal } from './problems.js';
import { createHeaderList, failed, send } from './send.js';
import { hasBody } from './take-body.js';
import { pathOfTarget } from './target.js';

export interface ExpressAppOptions extends Entrance {
  readonly limits: BodyLimits;
  readonly receive: Receive;
  readonly hosts: HostCheck;
  /** Origins whose pages may call. */
  readonly corsOrigins: readonly string[];
  readonly dialects: readonly Dialect[];
  /** Pages made by a library that brings its own routes. */
  readonly pages: readonly Pages[];
  readonly log: Logger;
}

/** Everything below a path, for browsers. */
export interface Pages {
  readonly path: string;
  /** Called with the first request: a library for a page that few open is not loaded at every start. */
  readonly load: () => Promise<RequestHandler>;
}

/** Serves a route table with Express. Nothing outside this folder knows Express. */
export function expressApp(routes: readonly Route[], options: ExpressAppOptions): RequestListener {
  const { limits, receive, hosts, dialects, pages, instruments, log } = options;
  const begin = beginning({ headerList: createHeaderList(), dialects, instruments, log });
  const bodyReaders = createBodyReaders(limits, { refuse: failed, receive });
  // Express walks through routes one by one: those of each API are on their own.
  const serverOf = (dialect: Dialect | undefined) => {
    const own = routes.filter(({ path }) => dialectOf(dialects, path) === dialect);
    return oneApi(own, dialect === undefined ? pages : [], { ...options, bodyReaders });
  };
  const ours = serverOf(undefined);
  const others = new Map(dialects.map((dialect) => [dialect, serverOf(dialect)]));
  // Begun before Express has it: a middleware would cost each request its part of the walk through the others.
  return (request, response) => {
    request.url = pathOfTarget(request.url);
    const begun = Object.assign(request, { originalUrl: request.url }) as Request;
    begin(begun, response as Response);
    const answer = () => {
      const { dialect, gone } = localsOf(response as Response);
      // Nothing that waits for the end of a request that is over would ever be released.
      if (gone.isOver) return;
      const fault = hosts(begun);
      const serve = (dialect && others.get(dialect)) ?? ours;
      if (fault === undefined) serve(request, response);
      else void failed(fault, begun, response as Response);
    };
    // Node emits a request before it parses the rest of what it has read: a small body is complete a moment later, is then
    // read for less, and an answer without reading it does not close the connection.
    if (hasBody(request)) setImmediate(answer);
    else answer();
  };
}

interface OneApiOptions extends ExpressAppOptions {
  /** Of all APIs together: what they count counts for each other. */
  readonly bodyReaders: ReturnType<typeof createBodyReaders>;
}

function oneApi(routes: readonly Route[], pages: readonly Pages[], options: OneApiOptions): RequestListener {
  const { corsOrigins, bodyReaders } = options;
  const app = createApp();
  if (corsOrigins.length > 0) app.use(crossOrigin(corsOrigins));
  for (const path of new Set(routes.map((route) => route.path))) {
    const sharing = routes.filter((route) => route.path === path);
    const entry = app.route(path);
    for (const route of sharing) {
      const handlers = [entered(route, options), ...bodyReaders(route), served(route, options)];
      if (route.method === 'GET') entry.get(...handlers);
      else if (route.method === 'POST') entry.post(...handlers);
      else if (route.method === 'PUT') entry.put(...handlers);
      else entry.delete(...handlers);
    }
    entry.all(wrongMethod(sharing, path));
  }
  for (const { path, load } of pages)
    app.use(path, browsed, entered({ access: 'browsed', method: 'GET', path }, options), loadedOnce(load));
  app.use((_request: Request, response: Response) => {
    const detail = 'There is nothing at this address. GET / lists what there is.';
    return send(refusal(new FleetError('not_found', detail), localsOf(response)), response);
  });
  // Express knows an error handler by its four parameters.
  app.use(async (error: unknown, request: Request, response: Response, _next: NextFunction) =>
    failed(await faultOf(error, localsOf(response)), request, response),
  );
  return app;
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

function wrongMethod(sharing: readonly Route[], path: string): RequestHandler {
  const methods = sharing.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const allow = [...methods, 'OPTIONS'].join(', ');
  return (request, response) => {
    const locals = localsOf(response);
    locals.answered = locals.instruments.answered(request.method, path);
    noteRoute(request.method, path);
    if (request.method === 'OPTIONS') return send({ status: 204, headers: { Allow: allow } }, response);
    const detail = `${request.method} is not possible here; ${allow} are.`;
    return send(refusal(new FleetError('method_not_allowed', detail), locals, { Allow: allow }), response);
  };
}
