import { joinSignals } from '@comfy-fleet/contracts';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';

/** The job when it has ended, or as it is when the time is up or this process is about to end. */
export async function waitForJob(
  { ledger: { jobs }, stopping }: Deps,
  id: string,
  seconds: number,
  signal: AbortSignal,
): Promise<JobSnapshot | undefined> {
  // Let go of at the end of the request, when its signal aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  try {
    return await jobs.wait(id, { timeoutMs: seconds * 1000, signal: ending });
  } catch (error) {
    if (!stopping.aborted) throw error;
    return jobs.get(id);
  }
}
