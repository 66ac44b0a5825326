import type { DocumentSettings, OperationDocs } from '../operation.js';
import { accountDocs } from './account.js';
import { adminDocs } from './admin.js';
import { assetDocs } from './assets.js';
import { fleetPastDocs } from './fleet-past.js';
import { jobDocs } from './jobs.js';
import { orderDocs } from './orders.js';
import { pictureDocs } from './pictures.js';
import { serviceDocs } from './service.js';
import { webhookDocs } from './webhooks.js';
import { workflowDocs } from './workflows.js';

/** What is said of every route, by method and path. */
export function operationDocs(settings: DocumentSettings): OperationDocs {
  return {
    ...orderDocs(settings),
    ...jobDocs(settings),
    ...workflowDocs(),
    ...pictureDocs(settings),
    ...assetDocs(settings),
    ...webhookDocs(),
    ...accountDocs(),
    ...serviceDocs(),
    ...fleetPastDocs(),
    ...adminDocs(),
  };
}
