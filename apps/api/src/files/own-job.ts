import { FleetError, isId } from '@comfy-fleet/contracts';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';

/**
 * The job as it is now. Throws job_not_found for one that does not exist, or is another caller's: which of the two is
 * nobody's business. Without a caller (a signed URL) whose it is does not matter.
 */
export async function ownJob(
  { ledger: { jobs } }: Deps,
  id: string | undefined,
  caller: Caller | undefined,
): Promise<JobSnapshot> {
  const snapshot = id !== undefined && isId(id) ? await jobs.get(id) : undefined;
  if (snapshot === undefined || !owns(caller, snapshot)) throw jobNotFound();
  return snapshot;
}

export function owns(caller: Caller | undefined, { record }: JobSnapshot): boolean {
  return caller === undefined || caller.id === record.key;
}

export function jobNotFound(): FleetError {
  return new FleetError(
    'job_not_found',
    'There is no job with this id, or it ended so long ago that it was forgotten.',
  );
}
