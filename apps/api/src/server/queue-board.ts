import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { FleetError } from '@comfy-fleet/contracts';
import type { Ledger } from '@comfy-fleet/jobs';
import { type RequestHandler, Router } from 'express';
import helmet from 'helmet';

/** Its files have the digest of their content in their names. */
const FILES_CACHED = 'private, max-age=86400';

/** Nothing from elsewhere (it would load fonts from Google). It writes styles into itself. */
const POLICY = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'base-uri': ["'self'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/**
 * bull-board's page of the work queues, to be mounted at `path`; read-only, since the ledger decides what becomes of work
 * items.
 */
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
    // Ours share connections, which BullMQ cannot name. GET /fleet shows workers.
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
    // One page must not decide for its whole domain.
    response.removeHeader('Strict-Transport-Security');
    response.setHeader('Cache-Control', request.path.startsWith('/static/') ? FILES_CACHED : 'no-store');
    next();
  });
  const strictTransportSecurity = false;
  router.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: POLICY }, strictTransportSecurity }));
  router.use('/api', async (_request, _response, next) => {
    await showNew();
    next();
  });
  router.use(pages);
  return router;
}
