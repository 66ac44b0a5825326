import { setMaxListeners } from 'node:events';
import type { RequestListener } from 'node:http';
import { createGate } from './access/gate.js';
import { createHostCheck } from './access/hosts.js';
import { createMeter } from './access/meter.js';
import { receiveFile } from './assets/receive-file.js';
import type { Deps } from './deps.js';
import { expressApp } from './http/express-app.js';
import { routes } from './routes.js';

const QUEUE_BOARD_PATH = '/admin/queues';

/** The whole API as a request listener for node:http. */
export function buildApp(deps: Deps): RequestListener {
  setMaxListeners(0, deps.stopping); // every waiting answer and every stream listens
  const { access, assets, http, images, workflows } = deps.config;
  const limits = {
    ...http,
    maxImageBytes: images.maxBytes,
    maxAssetBytes: assets.maxBytes,
    maxWorkflowBytes: workflows.maxBytes,
  };
  const { corsOrigins, publicUrl } = http;
  const { keys, ledger, instruments, log } = deps;
  const { keyLimits: defaults, publicImages } = access;
  const loadQueueBoard = async () => {
    const { queueBoard } = await import('./http/queue-board.js');
    return queueBoard(QUEUE_BOARD_PATH, ledger, publicUrl);
  };
  return expressApp(routes(deps), {
    limits,
    receive: receiveFile(deps),
    hosts: createHostCheck({ isOpen: keys === undefined, host: http.host, publicUrl }),
    gate: createGate({ keys, defaults, urls: ledger.urls, publicImages, corsOrigins, publicUrl }),
    meter: createMeter(ledger.accounts, log),
    corsOrigins,
    pages: [{ path: QUEUE_BOARD_PATH, load: loadQueueBoard }],
    instruments,
    log,
  });
}
