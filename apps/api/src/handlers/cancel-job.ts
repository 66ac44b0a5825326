import { jobNotFound, ownJob } from '../access/own-job.js';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { presentSnapshot } from './present-snapshot.js';

/** Answers the job as the cancel left it; an ended one stays as it ended, however often this is asked. */
export function cancelJob(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    const snapshot = await deps.ledger.jobs.cancel(record.id);
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}
