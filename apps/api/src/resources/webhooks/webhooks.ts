import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/own-job.js';
import type { Handler } from '../../server/messages.js';

/** How the delivery of the job's webhook stands, with every try. */
export function getWebhooks(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    return { status: 200, body: await deps.ledger.webhooks.delivery(record) };
  };
}

/** Has the webhook of an ended job delivered again, under the same webhook-id; answers how it stands then. */
export function redeliverWebhook(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    await deps.ledger.webhooks.redeliver(record);
    return { status: 202, body: await deps.ledger.webhooks.delivery(record) };
  };
}
