import type { Deps } from '../../deps.js';
import { jobNotFound, ownJob } from '../../files/own-job.js';
import { presentSnapshot } from '../../orders/present-snapshot.js';
import type { Handler } from '../../server/messages.js';

/** Answers the job as the cancel left it; an ended one stays as it ended, however often this is asked. */
export function cancelJob(deps: Deps): Handler {
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    const snapshot = await deps.ledger.jobs.cancel(record.id);
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}
