import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { untilStopping } from '../http/until-stopping.js';

/** The job when it has ended, or as it is when the time is up or this process is about to end. */
export async function waitForJob(
  { ledger, stopping }: Deps,
  id: string,
  seconds: number,
  signal: AbortSignal,
): Promise<JobSnapshot | undefined> {
  try {
    return await ledger.wait(id, { timeoutMs: seconds * 1000, signal: untilStopping(signal, stopping) });
  } catch (error) {
    if (!stopping.aborted) throw error;
    return ledger.get(id);
  }
}
