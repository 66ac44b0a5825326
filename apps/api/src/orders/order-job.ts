import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';
import type { ApiRequest, Reply } from '../server/messages.js';
import { presentSnapshot } from './present-snapshot.js';
import { type JobSpec, submitJobs } from './submit-jobs.js';
import { waitForJob } from './wait-for-job.js';

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
