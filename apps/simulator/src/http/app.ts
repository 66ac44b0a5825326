import { createReadStream, type ReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline, Transform } from 'node:stream';
import express, { type Express, type NextFunction, type Request, type Response, Router } from 'express';
import type { Engine } from '../engine.js';
import { UncaughtError, writeJson } from '../python.js';
import { MAX_BODY_BYTES } from '../settings.js';
import { hasRequiredHeader, isCrossOrigin } from './access.js';
import { controlRoutes } from './control.js';
import { infoRoutes } from './info.js';
import { jobRoutes } from './jobs.js';
import { historyRoutes, promptRoutes, queueRoutes } from './prompts.js';
import type { Reply, Route } from './route.js';
import { uploadRoutes } from './upload.js';
import { viewRoutes } from './view.js';

const ROUTES: readonly Route[] = [
  ...promptRoutes,
  ...queueRoutes,
  ...historyRoutes,
  ...uploadRoutes,
  ...viewRoutes,
  ...infoRoutes,
  ...jobRoutes,
  ...controlRoutes,
];

/** The only file that uses Express. It dispatches requests to routes, and answers other paths as ComfyUI does. */
export function createApp(engine: Engine): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((request, response, next) => {
    response.setHeader('Server', 'Python/3.13 aiohttp/3.11.16');
    if (!hasRequiredHeader(request.headers, engine.settings.requiredHeader)) response.status(401).end();
    else if (isCrossOrigin(request.headers, engine.settings.version)) response.status(403).end();
    else if (request.method === 'OPTIONS') response.status(200).end();
    else next();
  });
  app.use(express.raw({ type: () => true, limit: MAX_BODY_BYTES }));
  const router = Router({ strict: true, caseSensitive: true });
  for (const path of new Set(ROUTES.flatMap(pathsOf))) {
    const routes = ROUTES.filter((route) => pathsOf(route).includes(path));
    router.all(path, (request, response, next) => dispatch(routes, engine, request, response, next));
  }
  app.use(router);
  app.use((request, response) => noRoute(['GET', 'HEAD'], request, response));
  app.use(onError);
  return app;
}

function pathsOf(route: Route): string[] {
  return route.noApiAlias === true ? [route.path] : [route.path, `/api${route.path}`];
}

async function dispatch(
  routes: readonly Route[],
  engine: Engine,
  request: Request,
  response: Response,
  next: NextFunction,
) {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const available = routes.filter((route) => route.onlyIn033 !== true || engine.settings.version === '0.33.0');
  const route = available.find((each) => each.method === method);
  if (route === undefined) {
    const methods = new Set(['GET', 'HEAD', ...available.map((each) => each.method)]);
    noRoute([...methods].sort(), request, response);
    return;
  }
  const { searchParams } = new URL(request.originalUrl, 'http://simulator');
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const params = request.params as Record<string, string>;
  send(await route.handle({ params, query: searchParams, headers, body }, engine), request, response, next);
}

function send(reply: Reply, request: Request, response: Response, next: NextFunction): void {
  const { body } = reply;
  response.status(reply.status === 0 ? 500 : reply.status);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (body === undefined) response.end();
  else if ('reset' in body) request.socket.resetAndDestroy();
  else if ('json' in body) finish(response, 'application/json; charset=utf-8', Buffer.from(writeJson(body.json)));
  else if ('text' in body) finishText(response, body.text);
  else if ('bytes' in body) finish(response, undefined, body.bytes);
  else if (body.bytesPerSecond !== undefined) sendThrottled(createReadStream(body.file), response, body.bytesPerSecond);
  else
    response.sendFile(body.file, { dotfiles: 'allow', cacheControl: false }, (error) =>
      onFileSent(error, response, next),
    );
}

/** A lost client and an unsatisfiable range are not errors of the server. */
function onFileSent(error: (Error & { status?: number }) | undefined, response: Response, next: NextFunction): void {
  if (error === undefined || response.headersSent || response.destroyed) return;
  if (error.status === 416 || error.status === 412) response.status(error.status).end();
  else next(error);
}

function finish(response: Response, type: string | undefined, bytes: Buffer): void {
  if (type !== undefined) response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', bytes.length);
  response.end(bytes);
}

/** ComfyUI serves the files of its web page at all other paths: GET finds no file, other methods are not allowed. */
function noRoute(allowed: readonly string[], request: Request, response: Response): void {
  if (request.method === 'GET' || request.method === 'HEAD') {
    response.status(404).setHeader('Content-Type', 'application/octet-stream');
    response.setHeader('Transfer-Encoding', 'chunked');
    response.end();
    return;
  }
  response.status(405).setHeader('Allow', allowed.join(','));
  finishText(response, '405: Method Not Allowed');
}

function onError(error: Error & BodyError, request: Request, response: Response, next: NextFunction): void {
  if (error.type === 'request.aborted') return; // the client was lost while it was sending
  if (response.headersSent) next(error);
  else if (error.type === 'entity.too.large') {
    const size = error.length ?? error.expected ?? MAX_BODY_BYTES + 1;
    response.status(413);
    finishText(response, `Maximum request body size ${MAX_BODY_BYTES} exceeded, actual body size ${size}`);
  } else {
    if (!(error instanceof UncaughtError)) console.error(`${request.method} ${request.path}`, error);
    response.status(500).setHeader('Connection', 'close');
    finishText(response, '500 Internal Server Error\n\nServer got itself in trouble');
  }
}

/** Properties that Express adds to errors of reading the body. */
interface BodyError {
  readonly type?: string;
  readonly length?: number;
  readonly expected?: number;
}

function finishText(response: Response, text: string): void {
  finish(response, 'text/plain; charset=utf-8', Buffer.from(text));
}

const SLICES_PER_SECOND = 20;

/** Sends a file at no more than `bytesPerSecond`, until it ends or the client is lost. */
function sendThrottled(file: ReadStream, response: ServerResponse, bytesPerSecond: number): void {
  const slice = Math.max(1, Math.round(bytesPerSecond / SLICES_PER_SECOND));
  const throttle = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const next = (at: number) => {
        if (at >= chunk.length || throttle.destroyed) return done();
        throttle.push(chunk.subarray(at, at + slice));
        setTimeout(next, 1000 / SLICES_PER_SECOND, at + slice);
      };
      next(0);
    },
  });
  pipeline(file, throttle, response, () => undefined);
}
