import { ANONYMOUS, type Job, joinSignals } from '@comfy-fleet/contracts';
import { etaSeconds, type JobSnapshot, presentJob } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { type JobSpec, submitJobs } from './submit-jobs.js';
import { waitingFor } from './waiting-for.js';

export const REPLAYED = { 'Idempotent-Replayed': 'true' };

/** Creates one job and answers 202; after `Prefer: wait=` seconds, or 200 as soon as the job has ended. */
export async function orderJob(
  deps: Deps,
  request: ApiRequest,
  wish: unknown,
  specOf: () => Promise<JobSpec> | JobSpec,
): Promise<Reply> {
  const { replayed, only } = await submitJobs(deps, request, wish, async () => [await specOf()]);
  if (only === undefined) throw new Error('a job was accepted that is not there');
  const seconds = waitOfPrefer(request.header('prefer'), deps.config.http.maxWaitSeconds);
  const later = seconds === undefined ? only : await waitedFor(deps, only, seconds, request);
  const body = await presentSnapshot(deps, later, request.caller);
  const hasEnded = body.finished_at !== null;
  const headers = {
    Location: body.urls.self,
    ...(hasEnded ? {} : { 'Retry-After': '1' }),
    ...(seconds === undefined ? {} : { 'Preference-Applied': `wait=${seconds}` }),
    ...(replayed ? REPLAYED : {}),
  };
  return { status: hasEnded && seconds !== undefined ? 200 : 202, headers, body, job: body.id };
}

async function waitedFor(
  deps: Deps,
  created: JobSnapshot,
  seconds: number,
  { signal, log }: ApiRequest,
): Promise<JobSnapshot> {
  const { id } = created.record;
  try {
    return (await waitForJob(deps, id, seconds, signal)) ?? created;
  } catch (error) {
    // The job is accepted: an error now would make the caller send it a second time.
    log.debug('waiting for an accepted job failed', { job: id, error });
    return created;
  }
}

/** Seconds of `Prefer: wait=N` (RFC 7240), at most `max`. A preference that cannot be read is ignored. */
export function waitOfPrefer(header: string | undefined, max: number): number | undefined {
  const wish = /(?:^|[,\s])wait\s*=\s*"?(\d+)"?\s*(?:[,;]|$)/i.exec(header ?? '')?.[1];
  const seconds = Math.min(Number(wish ?? 0), max);
  return seconds >= 1 ? seconds : undefined;
}

/** The job when it has ended, or as it is when the time is up or this process is about to end. */
export async function waitForJob(
  { ledger: { jobs }, stopping }: Deps,
  id: string,
  seconds: number,
  signal: AbortSignal,
): Promise<JobSnapshot | undefined> {
  // Ends with the request, when its signal aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  try {
    return await jobs.wait(id, { timeoutMs: seconds * 1000, signal: ending });
  } catch (error) {
    if (!stopping.aborted) throw error;
    return jobs.get(id);
  }
}

/**
 * The job as callers see it, with when it is expected to end and what it waits for. Without a caller (a signed URL) it has no
 * links that live longer than that URL, and does not say who else is notified.
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
  const waiting = waitingFor(snapshot, { overview, abilities, workflow });
  return presentJob(shown, { publicUrl: config.http.publicUrl, eta, waitingFor: waiting, sign });
}
