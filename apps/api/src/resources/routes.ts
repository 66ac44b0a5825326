import type { Deps } from '../deps.js';
import type { ApiRoute } from '../openapi/route.js';
import { assetRoutes } from './assets/routes.js';
import { adminRoutes } from './fleet/admin-routes.js';
import { fleetRoutes } from './fleet/routes.js';
import { imageRoutes } from './images/routes.js';
import { orderRoutes } from './jobs/order-routes.js';
import { jobRoutes } from './jobs/routes.js';
import { keyRoutes } from './keys/routes.js';
import { modelRoutes } from './models/routes.js';
import { serviceRoutes } from './service/routes.js';
import { webhookRoutes } from './webhooks/routes.js';
import { workflowRoutes } from './workflows/routes.js';

/** All routes of our API, in the order of its document. Express uses the first route that matches. */
export function routes(deps: Deps): ApiRoute[] {
  const all: ApiRoute[] = [
    ...orderRoutes(deps),
    ...jobRoutes(deps),
    ...workflowRoutes(deps),
    ...modelRoutes(deps),
    ...imageRoutes(deps),
    ...assetRoutes(deps),
    ...webhookRoutes(deps),
    ...keyRoutes(deps),
    ...serviceRoutes(deps, () => all),
    ...fleetRoutes(deps),
    ...adminRoutes(deps),
  ];
  return all;
}
