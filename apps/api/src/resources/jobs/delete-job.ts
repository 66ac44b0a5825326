import { FleetError, isTerminal } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/own-job.js';
import type { Handler } from '../../server/messages.js';

/** Deletes an ended job: its record, and then its files in every form. Its use stays counted. */
export function deleteJob(deps: Deps): Handler {
  const { ledger, derived } = deps;
  return async ({ params: { id }, caller }) => {
    const { record } = await ownJob(deps, id, caller);
    if (!isTerminal(record.status) || !(await ledger.jobs.forget(record.id))) {
      throw new FleetError(
        'wrong_job_state',
        `The job is ${record.status}; cancel it, and delete it when it has ended.`,
      );
    }
    // What a crash leaves here grows old and goes with the housekeeping.
    for (const { file } of record.outputs) await derived.deleteFrame(file);
    return { status: 204, job: record.id };
  };
}
