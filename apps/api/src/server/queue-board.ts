import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { FleetError } from '@comfy-fleet/contracts';
import type { Ledger } from '@comfy-fleet/jobs';
import { type RequestHandler, Router } from 'express';
import { pagePolicy } from './pages.js';

/** bull-board's files have a content hash in their names. */
const FILES_CACHED = 'private, max-age=86400';

/** bull-board's page of the work queues, mounted at `path`. It is read-only, since only the ledger may change work items. */
export function queueBoard(
  path: string,
  ledger: Pick<Ledger, 'queues'>,
  publicUrl: string | undefined,
): RequestHandler {
  const adapter = new ExpressAdapter();
  const below = publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
  adapter.setBasePath(below + path);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    // Our workers share connections, which BullMQ cannot name, so bull-board could not list them; GET /fleet does.
    options: { uiConfig: { boardTitle: 'comfy-fleet', hideDocsLink: true, showWorkers: false } },
  });
  const pages = adapter.getRouter();
  pages.disable('x-powered-by');
  const shown = new Set<string>();
  const showNew = async () => {
    for (const queue of await ledger.queues()) {
      if (shown.has(queue.name)) continue;
      shown.add(queue.name);
      board.addQueue(new BullMQAdapter(queue, { readOnlyMode: true }));
    }
  };

  const router = Router();
  router.use((request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      throw new FleetError('method_not_allowed', 'The work queues can be looked at, and nothing else.');
    }
    // The page needs inline styles. It would load fonts from Google.
    response.setHeader('Content-Security-Policy', pagePolicy(publicUrl, "'self' 'unsafe-inline'"));
    response.setHeader('Cache-Control', request.path.startsWith('/static/') ? FILES_CACHED : 'no-store');
    next();
  });
  router.use('/api', async (_request, _response, next) => {
    await showNew();
    next();
  });
  router.use(pages);
  return router;
}
