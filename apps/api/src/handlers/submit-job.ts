import {
  type GenerateRequest,
  type Img2ImgRequest,
  type InputImage,
  type JobKind,
  newId,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import { poolFor, randomSeed, resolveRequest } from '@comfy-fleet/workflows';
import { CALLER, type Deps } from '../deps.js';
import type { ApiRequest, Reply } from '../http/messages.js';
import { refuseImpossible } from '../requests/refuse-impossible.js';
import { waitOfPrefer } from '../requests/waiting.js';
import { presentSnapshot } from './present-snapshot.js';
import { waitForJob } from './wait-for-job.js';

/**
 * Gives every parameter its final value. Throws validation_failed for what no schema can say, no_able_instance for what
 * no instance of the fleet can run.
 */
export async function resolve(
  { config, workflows, ledger }: Deps,
  kind: JobKind,
  request: GenerateRequest | Img2ImgRequest,
  input?: InputImage,
): Promise<ResolvedRequest> {
  const asked = { kind, request, randomSeed, limits: config.limits };
  const resolved = resolveRequest(input === undefined ? asked : { ...asked, input }, workflows);
  const template = workflows.templates.get(resolved.workflow);
  const pool = poolFor(resolved, workflows);
  if (template !== undefined) refuseImpossible(template, resolved, pool, await ledger.abilities(pool));
  return resolved;
}

/** Makes a job of a resolved request and answers 202, after `Prefer: wait=` seconds or as soon as the job has ended. */
export async function submitJob(
  deps: Deps,
  kind: JobKind,
  resolved: ResolvedRequest,
  { start_within_seconds }: Pick<GenerateRequest, 'start_within_seconds'>,
  request: ApiRequest,
): Promise<Reply> {
  const { config, ledger, workflows } = deps;
  const snapshot = await ledger.create({
    id: newId(),
    kind,
    request: resolved,
    rankStep: workflows.profiles[resolved.lod].rankStep,
    pool: poolFor(resolved, workflows),
    key: CALLER,
    startWithinMs: (start_within_seconds ?? config.limits.maxQueuedSeconds) * 1000,
  });
  const seconds = waitOfPrefer(request.header('prefer'), config.http.maxWaitSeconds);
  const job = await presentSnapshot(deps, await later(deps, snapshot, seconds, request));
  const headers = {
    Location: job.urls.self,
    ...(job.finished_at === null ? { 'Retry-After': '1' } : {}),
    ...(seconds === undefined ? {} : { 'Preference-Applied': `wait=${seconds}` }),
  };
  return { status: 202, headers, body: job, job: job.id };
}

async function later(
  deps: Deps,
  created: JobSnapshot,
  seconds: number | undefined,
  { signal }: ApiRequest,
): Promise<JobSnapshot> {
  if (seconds === undefined) return created;
  try {
    return (await waitForJob(deps, created.record.id, seconds, signal)) ?? created;
  } catch (error) {
    // The job is accepted: an error now would make the caller send it a second time.
    deps.log.debug('waiting for an accepted job failed', { job: created.record.id, error });
    return created;
  }
}
