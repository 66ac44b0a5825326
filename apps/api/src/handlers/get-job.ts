import { isId } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { waitOfQuery } from '../requests/waiting.js';
import { jobNotFound } from './job-not-found.js';
import { presentSnapshot } from './present-snapshot.js';
import { waitForJob } from './wait-for-job.js';

export function getJob(deps: Deps): Handler {
  const { ledger, config } = deps;
  return async ({ params: { id = '' }, query, signal }) => {
    const seconds = waitOfQuery(query, config.http.maxWaitSeconds);
    if (!isId(id)) throw jobNotFound();
    const snapshot = await (seconds === undefined ? ledger.get(id) : waitForJob(deps, id, seconds, signal));
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: await presentSnapshot(deps, snapshot) };
  };
}
