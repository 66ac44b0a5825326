import type { Accepted, JobSnapshot, NewJob } from '@comfy-fleet/jobs';
import { knownCaller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import { presentSnapshot } from '../handlers/present-snapshot.js';
import { waitForJob } from '../handlers/wait-for-job.js';
import type { ApiRequest, Reply } from '../http/messages.js';
import { waitOfPrefer } from '../requests/waiting.js';
import { idempotencyOf } from './idempotency.js';

const REPLAYED = { 'Idempotent-Replayed': 'true' };

/**
 * Makes the jobs in the caller's name, all or none; `wish` is what was asked for, by which a repeat under the same
 * Idempotency-Key is known. Throws what Ledger.create throws, and storage_full.
 */
async function placeOrder(
  { ledger, requireRoom }: Deps,
  jobs: readonly NewJob[],
  request: ApiRequest,
  wish: unknown,
): Promise<Accepted> {
  const caller = knownCaller(request.caller);
  await requireRoom();
  return ledger.create({
    jobs,
    caller: caller.id,
    weight: caller.weight,
    mostWaiting: caller.limits?.jobsWaiting,
    mostTaken: caller.limits?.jobsRunning,
    idempotency: idempotencyOf(request, wish),
  });
}

/** Makes one job and answers 202; after `Prefer: wait=` seconds, or 200 as soon as the job has ended. */
export async function orderJob(deps: Deps, job: NewJob, request: ApiRequest, wish: unknown): Promise<Reply> {
  const { replayed, only } = await placeOrder(deps, [job], request, wish);
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

/** Makes several jobs and answers 202 with their ids. */
export async function orderJobs(
  deps: Deps,
  jobs: readonly NewJob[],
  request: ApiRequest,
  wish: unknown,
): Promise<Reply> {
  const { replayed, ids } = await placeOrder(deps, jobs, request, wish);
  const publicUrl = deps.config.http.publicUrl ?? '';
  const data = ids.map((id) => ({ id, urls: { self: `${publicUrl}/jobs/${id}` } }));
  return { status: 202, headers: replayed ? REPLAYED : {}, body: { data } };
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
    deps.log.debug('waiting for an accepted job failed', { job: created.record.id, error });
    return created;
  }
}
