import { isId } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Handler } from '../http/messages.js';
import { jobNotFound } from './job-not-found.js';
import { presentSnapshot } from './present-snapshot.js';

/** Answers the job as the cancel left it; an ended one stays as it ended, however often this is asked. */
export function cancelJob(deps: Deps): Handler {
  return async ({ params: { id = '' } }) => {
    const snapshot = isId(id) ? await deps.ledger.cancel(id) : undefined;
    if (snapshot === undefined) throw jobNotFound();
    return { status: 200, body: await presentSnapshot(deps, snapshot) };
  };
}
