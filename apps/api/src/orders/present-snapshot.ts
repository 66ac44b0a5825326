import { ANONYMOUS, type Job } from '@comfy-fleet/contracts';
import { etaSeconds, type JobSnapshot, presentJob } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { waitingFor } from '../fleet/waiting-for.js';
import type { Caller } from '../server/caller.js';

/**
 * The job as callers see it, with when it is expected to end and what it waits for. With keys, the URLs that are opened without one carry a
 * signature. Who came by a link (no caller) gets no link that lives longer, and does not
 * see who else is notified.
 */
export async function presentSnapshot(
  deps: Deps,
  snapshot: JobSnapshot,
  caller: Caller | undefined,
  linkExpires?: number,
): Promise<Job> {
  const { config, fleet, ledger, workflows } = deps;
  const { record } = snapshot;
  const overview = record.finishedAt === null ? await fleet.current() : undefined;
  const pool = overview?.pools.find(({ pool }) => pool === record.pool);
  const eta = etaSeconds(snapshot, pool, Date.now());
  const sign = caller?.id === ANONYMOUS ? undefined : await ledger.urls.signing(record.key, linkExpires);
  const workflow = workflows.byName.get(record.workflow);
  const isWaiting = record.status === 'queued' && workflow !== undefined;
  const abilities = isWaiting ? await fleet.abilities(record.pool, workflow.classes) : [];
  const shown = caller === undefined ? { ...snapshot, record: { ...record, callback: null } } : snapshot;
  return presentJob(shown, {
    publicUrl: config.http.publicUrl,
    eta,
    waitingFor: waitingFor(snapshot, { overview, abilities, workflow }),
    sign,
  });
}
