import { ANONYMOUS, type Job, joinSignals, type WaitCode } from '@comfy-fleet/contracts';
import { etaSeconds, type JobRecord, type JobSnapshot, presentJob } from '@comfy-fleet/jobs';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import { openUntil } from '../server/key-limits.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { isLong } from './long-jobs.js';
import { type JobSpec, submitJobs } from './submit-jobs.js';
import { type Circumstances, waitingFor } from './waiting-for.js';

export const REPLAYED = { 'Idempotent-Replayed': 'true' };

/**
 * Creates one job and answers 202. With `Prefer: wait=N`, waits up to N seconds and answers 200 if the job has ended;
 * meanwhile the request counts as an open stream.
 */
export async function orderJob(
  deps: Deps,
  request: ApiRequest,
  content: unknown,
  specOf: () => Promise<JobSpec> | JobSpec,
): Promise<Reply> {
  const seconds = waitOfPrefer(request.header('prefer'), deps.config.http.maxWaitSeconds);
  // Checked first, so that a refused request leaves no job behind.
  if (seconds !== undefined) openUntil(request.signal, deps.streams, request.caller.id);
  const { replayed, only } = await submitJobs(deps, request, content, async () => [await specOf()]);
  if (only === undefined) throw new Error('an accepted job cannot be found');
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
    // The job has been accepted: an error now would make the caller submit it again.
    log.debug('waiting for an accepted job failed', { job: id, error });
    return created;
  }
}

/** The seconds of `Prefer: wait=N` (RFC 7240), at most `max`. An invalid preference is ignored. */
export function waitOfPrefer(header: string | undefined, max: number): number | undefined {
  const given = /(?:^|[,\s])wait\s*=\s*"?(\d+)"?\s*(?:[,;]|$)/i.exec(header ?? '')?.[1];
  const seconds = Math.min(Number(given ?? 0), max);
  return seconds >= 1 ? seconds : undefined;
}

/** Waits until the job has ended, the time is up or this process is stopping, and returns the job. */
export async function waitForJob(
  { ledger: { jobs }, stopping }: Deps,
  id: string,
  seconds: number,
  signal: AbortSignal,
): Promise<JobSnapshot | undefined> {
  // `end` is not needed, because the request's signal always aborts.
  const { signal: ending } = joinSignals([signal, stopping]);
  try {
    return await jobs.wait(id, { timeoutMs: seconds * 1000, signal: ending });
  } catch (error) {
    if (!stopping.aborted) throw error;
    return jobs.get(id);
  }
}

/** Waits whose end can be estimated. */
const MEASURED_WAITS: readonly WaitCode[] = ['turn', 'running_limit', 'retry'];

/**
 * The job as callers see it, with its expected end and the reason why it waits. Without a caller (a signed URL) its links
 * expire no later than that URL, and its webhook is left out.
 */
export async function presentSnapshot(
  deps: Deps,
  snapshot: JobSnapshot,
  caller: Caller | undefined,
  linkExpires?: number,
): Promise<Job> {
  const { config, fleet, ledger } = deps;
  const { record } = snapshot;
  const overview = record.finishedAt === null ? await fleet.current() : undefined;
  const pool = overview?.pools.find(({ pool }) => pool === record.pool);
  const sign = caller?.id === ANONYMOUS ? undefined : await ledger.urls.signing(record.key, linkExpires);
  const shown = caller === undefined ? { ...snapshot, record: { ...record, callback: null } } : snapshot;
  const mayLack = record.phase === 'waiting' && pool !== undefined && pool.instances > 0;
  const circumstances = mayLack ? await circumstancesOf(deps, record) : NOTHING;
  const waiting = waitingFor(snapshot, { overview, ...circumstances });
  const isHeld = waiting !== null && !MEASURED_WAITS.includes(waiting.code);
  const eta = isHeld ? null : etaSeconds(snapshot, pool, Date.now());
  const present = () => presentJob(shown, { publicUrl: config.http.publicUrl, eta, waitingFor: waiting, sign });
  return isLong(record) ? deps.computing(record.key, present) : present();
}

const NOTHING: Omit<Circumstances, 'overview'> = {
  abilities: [],
  choosable: [],
  workflow: undefined,
  models: { records: new Map(), folders: [] },
};

/** What a waiting job depends on, as far as it can be read. */
async function circumstancesOf(
  { fleet, offers, workflows, log }: Deps,
  record: JobRecord,
): Promise<Omit<Circumstances, 'overview'>> {
  try {
    const own = await offers.toKey(record.key);
    const { records } = own;
    // Graphs that were sent with their job are only read if it may wait for a model.
    const isGraph = record.workflow === GRAPH;
    const workflow = isGraph && records.size > 0 ? await fleet.graph(record) : workflows.byName.get(record.workflow);
    if (workflow === undefined) return NOTHING;
    const abilities = await own.abilities(record.pool, workflow.classes);
    if (records.size === 0) return { ...NOTHING, abilities, choosable: abilities, workflow };
    const choosable = await own.choosable(record.pool, workflow.classes);
    const folders = await fleet.folders();
    return { abilities, choosable, workflow, models: { records, folders } };
  } catch (error) {
    log.debug('what a job waits for could not be read', { job: record.id, error });
    return NOTHING;
  }
}
