import { ownJob } from '../access/own-job.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { waitOfQuery } from '../requests/waiting.js';
import { presentSnapshot } from './present-snapshot.js';
import { waitForJob } from './wait-for-job.js';

export function getJob(deps: Deps): Handler {
  return async (request) => {
    const { query, caller } = request;
    const seconds = waitOfQuery(query, deps.config.http.maxWaitSeconds);
    const now = await ownJob(deps, request.params.id, caller);
    const ended = seconds === undefined || now.record.finishedAt !== null;
    const snapshot = ended ? now : ((await waitForJob(deps, now.record.id, seconds, request.signal)) ?? now);
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}
