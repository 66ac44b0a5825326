import { ANONYMOUS, type Job } from '@comfy-fleet/contracts';
import { etaSeconds, type JobSnapshot, presentJob } from '@comfy-fleet/jobs';
import type { Caller } from '../access/caller.js';
import type { Deps } from '../deps.js';

/**
 * The job as callers see it, with when it is expected to end. With keys, the URLs that are opened without one carry a
 * signature.
 */
export async function presentSnapshot(deps: Deps, snapshot: JobSnapshot, caller: Caller | undefined): Promise<Job> {
  const { config, fleet, ledger } = deps;
  const overview = snapshot.record.finishedAt === null ? await fleet.current() : undefined;
  const pool = overview?.pools.find(({ pool }) => pool === snapshot.record.pool);
  const eta = etaSeconds(snapshot, pool, Date.now());
  const sign = caller?.id === ANONYMOUS ? undefined : await ledger.urls.signing();
  return presentJob(snapshot, { publicUrl: config.http.publicUrl, eta, sign });
}
