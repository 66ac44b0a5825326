import { type Accepted, type JobSnapshot, type NewJob, type NewOrder, OrderRefusal } from '@comfy-fleet/jobs';
import { inSpan, noteFacts } from '@comfy-fleet/telemetry';
import { knownCaller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import { presentSnapshot } from '../handlers/present-snapshot.js';
import { waitForJob } from '../handlers/wait-for-job.js';
import type { ApiRequest, Reply } from '../http/messages.js';
import { waitOfPrefer } from '../requests/waiting.js';
import { ACCEPTING, factsOf } from './accept-span.js';
import { idempotencyOf } from './idempotency.js';

const REPLAYED = { 'Idempotent-Replayed': 'true' };

/**
 * Makes jobs in the caller's name, all or none. `wish` is what was asked for: when it was asked for before under the same
 * Idempotency-Key, what was made then is answered, and `prepare` is not asked. Throws what Ledger.orders.create throws,
 * storage_full; when the caller left before anything was made, an error that nobody gets.
 */
async function placeOrder(
  deps: Deps,
  request: ApiRequest,
  wish: unknown,
  prepare: () => Promise<readonly NewJob[]>,
): Promise<Accepted> {
  const { ledger, requireSpace } = deps;
  const caller = knownCaller(request.caller);
  const idempotency = idempotencyOf(request, wish);
  const known = idempotency && (await ledger.orders.replay(caller.id, idempotency));
  if (known !== undefined) return known;
  await requireSpace();
  return inSpan('job accept', ACCEPTING, async () => {
    const jobs = await prepare();
    if (request.hasLeft) throw new Error('the caller left before anything was made');
    noteFacts(factsOf(jobs));
    return countedOrder(deps, request, {
      jobs,
      caller: caller.id,
      weight: caller.weight,
      mostRequests: request.counting?.most,
      mostWaiting: caller.limits?.jobsWaiting,
      mostTaken: caller.limits?.jobsRunning,
      idempotency,
    });
  });
}

/** The order is made, or refused, and the request that it was is counted. */
async function countedOrder({ ledger }: Deps, { counting }: ApiRequest, order: NewOrder): Promise<Accepted> {
  try {
    const accepted = await ledger.orders.create(order);
    counting?.note(accepted.counted);
    return accepted;
  } catch (error) {
    if (error instanceof OrderRefusal) counting?.note(error.counted);
    throw error;
  }
}

/** Makes one job and answers 202; after `Prefer: wait=` seconds, or 200 as soon as the job has ended. */
export async function orderJob(
  deps: Deps,
  request: ApiRequest,
  wish: unknown,
  prepare: () => Promise<NewJob>,
): Promise<Reply> {
  const { replayed, only } = await placeOrder(deps, request, wish, async () => [await prepare()]);
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
  request: ApiRequest,
  wish: unknown,
  prepare: () => Promise<readonly NewJob[]>,
): Promise<Reply> {
  const { replayed, ids } = await placeOrder(deps, request, wish, prepare);
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
    request.log.debug('waiting for an accepted job failed', { job: created.record.id, error });
    return created;
  }
}
