import { setMaxListeners } from 'node:events';
import type { RequestListener } from 'node:http';
import type { Deps } from './deps.js';
import { facades } from './facades/facades.js';
import { receiveFile } from './files/keep-file.js';
import { routes } from './resources/routes.js';
import { expressApp } from './server/express-app.js';
import { createGate, createHostCheck } from './server/gate.js';
import { createMeter } from './server/key-limits.js';
import { pathOfTarget } from './server/listen.js';
import type { ApiRequest, Route } from './server/messages.js';
import { docsPages, studioPages } from './server/pages.js';

const QUEUE_BOARD_PATH = '/admin/queues';

/** The whole API. `traced` wraps the handler after keys have been removed from paths, so that no trace contains a key. */
export function buildApp(
  deps: Deps,
  traced: (serve: RequestListener) => RequestListener = (serve) => serve,
): RequestListener {
  setMaxListeners(0, deps.stopping); // every waiting response and every stream adds a listener
  const { access, assets, http, images, workflows } = deps.config;
  const limits = {
    ...http,
    maxImageBytes: images.maxBytes,
    maxAssetBytes: assets.maxBytes,
    maxWorkflowBytes: workflows.maxBytes,
    maxPromptBytes: workflows.maxBytes + workflows.maxOriginBytes,
  };
  const { corsOrigins, publicUrl, studio } = http;
  const { keys, ledger, instruments, downloads, log, readmitMs, longJobs } = deps;
  const { keyLimits: defaults, publicImages } = access;
  const loadQueueBoard = async () => {
    const { queueBoard } = await import('./server/queue-board.js');
    return queueBoard(QUEUE_BOARD_PATH, ledger, publicUrl);
  };
  const others = facades(deps);
  const all: Route[] = [...routes(deps), ...others.flatMap((other) => other.routes)];
  const inTurn = all.map(({ handler, ...route }) => ({
    ...route,
    handler: (request: ApiRequest) => longJobs.inTurn(request, handler),
  }));
  const app = expressApp(inTurn, {
    hosts: createHostCheck({ isOpen: keys === undefined, host: http.host, publicUrl }),
    gate: createGate({ keys, defaults, urls: ledger.urls, publicImages, corsOrigins, publicUrl }),
    meter: createMeter(ledger.accounts, log),
    dialects: others.map(({ dialect }) => dialect),
    instruments,
    downloads,
    readmitMs,
    log,
    limits,
    receive: receiveFile(deps),
    computing: deps.computing,
    corsOrigins,
    pages: [
      { path: '/docs', access: 'public', load: () => docsPages(publicUrl) },
      ...(studio ? [{ path: '/studio', access: 'public', load: () => studioPages(publicUrl) } as const] : []),
      { path: QUEUE_BOARD_PATH, access: 'browsed', load: loadQueueBoard },
    ],
    sockets: others.flatMap(({ sockets = [] }) => sockets),
    openSockets: deps,
  });
  const serve = traced(app);
  return (request, response) => {
    for (const { arriving } of others) arriving?.(request);
    serve(request, response);
  };
}

/** Serves the part of an app below `prefix` at the root of a separate port. */
export function below(prefix: string, app: RequestListener): RequestListener {
  return (request, response) => {
    request.url = prefix + pathOfTarget(request.url);
    app(request, response);
  };
}
