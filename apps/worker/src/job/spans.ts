import { inSpan, pastSpan } from '@comfy-fleet/telemetry';
import { checkpointOf } from '../instance/scope.js';
import type { HeldJob } from './held-job.js';
import { isSignal } from './signals.js';

/** The spans of a job in the worker, in the trace of the request that created it, if there is one. */

/** From its creation until a worker first claims it; call it once per job. */
export function traceWait({ record }: HeldJob): void {
  const attributes = {
    'comfy_fleet.job.id': record.id,
    'comfy_fleet.lod': record.lod,
    'comfy_fleet.pool': record.pool,
  };
  pastSpan('job wait', record.createdAt, { attributes });
}

/** One submission to ComfyUI, until the job ends, goes back to the queue, or is tried again. */
export function inAttempt(job: HeldJob, work: () => Promise<void>): Promise<void> {
  const { id, kind, lod, pool, workflow, claim, request } = job.record;
  const checkpoint = checkpointOf(request);
  const attributes = {
    'messaging.system': 'bullmq',
    'messaging.operation.type': 'process',
    'messaging.destination.name': pool,
    'comfy_fleet.job.id': id,
    'comfy_fleet.job.kind': kind,
    'comfy_fleet.lod': lod,
    'comfy_fleet.workflow': workflow,
    ...(checkpoint === '' ? {} : { 'comfy_fleet.checkpoint': checkpoint }),
    'comfy_fleet.instance': job.instance.name,
    'comfy_fleet.claim': claim,
  };
  return inSpan('attempt', { kind: 'consumer', attributes, isFault }, work);
}

/** After the execution: fetching and storing the outputs, and ending the job. */
export function inCollecting<T>(work: () => Promise<T>): Promise<T> {
  return inSpan('collect', { isFault }, work);
}

/** Streaming one output from ComfyUI into the store. */
export function inStoring<T>(name: string, work: () => Promise<T>): Promise<T> {
  return inSpan('store', { attributes: { 'comfy_fleet.frame': name }, isFault }, work);
}

function isFault(error: unknown): boolean {
  return !isSignal(error);
}
