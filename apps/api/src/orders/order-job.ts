import { ANONYMOUS, isId, type Job, joinSignals } from '@comfy-fleet/contracts';
import { etaSeconds, type JobSnapshot, type JobStreamItem, presentJob } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import { jobNotFound, owns } from '../files/ownership.js';
import { waitingFor } from '../fleet/waiting-for.js';
import type { Caller } from '../server/caller.js';
import { openUntil } from '../server/key-limits.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { type JobSpec, submitJobs } from './submit-jobs.js';

export const REPLAYED = { 'Idempotent-Replayed': 'true' };

/** Makes one job and answers 202; after `Prefer: wait=` seconds, or 200 as soon as the job has ended. */
export async function orderJob(
  deps: Deps,
  request: ApiRequest,
  wish: unknown,
  specOf: () => Promise<JobSpec> | JobSpec,
): Promise<Reply> {
  const { replayed, only } = await submitJobs(deps, request, wish, async () => [await specOf()]);
  if (only === undefined) throw new Error('a job was accepted that is not there');
  const seconds = waitOfPrefer(request.header('prefer'), deps.config.http.maxWaitSeconds);
  const body = await presentSnapshot(deps, await later(deps, only, seconds, request), request.caller);
  const hasEnded = body.finished_at !== null;
  const headers = {
    Location: body.urls.self,
    ...(hasEnded ? {} : { 'Retry-After': '1' }),
    ...(seconds === undefined ? {} : { 'Preference-Applied': `wait=${seconds}` }),
    ...(replayed ? REPLAYED : {}),
  };
  return { status: hasEnded && seconds !== undefined ? 200 : 202, headers, body, job: body.id };
}

async function later(
  deps: Deps,
  created: JobSnapshot,
  seconds: number | undefined,
  request: ApiRequest,
): Promise<JobSnapshot> {
  if (seconds === undefined) return created;
  try {
    return (await waitForJob(deps, created.record.id, seconds, request.signal)) ?? created;
  } catch (error) {
    // The job is accepted: an error now would make the caller send it a second time.
    request.log.debug('waiting for an accepted job failed', { job: created.record.id, error });
    return created;
  }
}

/**
 * Seconds of `Prefer: wait=N` (RFC 7240); undefined when it is absent. A preference is a wish and never an error: one
 * that cannot be read is ignored, a longer one than `max` is cut to it.
 */
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
  // Let go of at the end of the request, when its signal aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  try {
    return await jobs.wait(id, { timeoutMs: seconds * 1000, signal: ending });
  } catch (error) {
    if (!stopping.aborted) throw error;
    return jobs.get(id);
  }
}

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

/** A job and what becomes of it, for an answer that is a stream. */
export interface FollowedJob {
  readonly first: JobSnapshot;
  /** What follows the first snapshot; see jobStream. */
  readonly items: AsyncIterable<JobStreamItem>;
  /** Aborts when the caller goes away, or the process is to end. */
  readonly ending: AbortSignal;
}

/**
 * Follows the job of that id for as long as the request lasts; it counts as one of the streams that are open. Throws
 * job_not_found, too_many_streams and overloaded.
 */
export async function followJob(deps: Deps, request: ApiRequest): Promise<FollowedJob> {
  const { ledger, stopping, streams } = deps;
  const { signal, caller } = request;
  const { id = '' } = request.params;
  if (!isId(id)) throw jobNotFound();
  signal.throwIfAborted();
  if (caller !== undefined) openUntil(signal, streams, caller.id);
  // Let go of at the end of the request, when its signal aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  const items = ledger.jobs.events(id, { signal: ending })[Symbol.asyncIterator]();
  // Whoever reads the body ends them, but a HEAD reads nothing, nor does a caller that left before the answer began.
  signal.addEventListener('abort', () => void items.return?.());
  // Taken before the answer begins, so that an unknown job or a missing Redis still has its status code.
  const first = (await items.next()).value as JobStreamItem | undefined;
  if (first?.kind !== 'snapshot' || !owns(caller, first.snapshot)) {
    void items.return?.();
    throw jobNotFound();
  }
  // A stream opened by a signed link counts for the key of its job.
  if (caller === undefined) openUntil(signal, streams, first.snapshot.record.key);
  return { first: first.snapshot, items: { [Symbol.asyncIterator]: () => items }, ending };
}
