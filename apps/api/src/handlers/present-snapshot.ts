import type { Job } from '@comfy-fleet/contracts';
import { etaSeconds, type JobSnapshot, presentJob } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';

/** The job as callers see it, with when it is expected to end. */
export async function presentSnapshot({ config, fleet }: Deps, snapshot: JobSnapshot): Promise<Job> {
  const overview = snapshot.record.finishedAt === null ? await fleet.current() : undefined;
  const pool = overview?.pools.find(({ pool }) => pool === snapshot.record.pool);
  return presentJob(snapshot, { publicUrl: config.http.publicUrl, eta: etaSeconds(snapshot, pool, Date.now()) });
}
