import type { JobKind, ParentJob, ResolvedRequest, Webhook } from '@comfy-fleet/contracts';
import type { RequestCount } from './batched-reads.js';
import { rankStep } from './rank-step.js';
import { signatureOf } from './signature.js';

export interface NewJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly request: ResolvedRequest;
  /** The LOD profile's step in the order of service. */
  readonly rankStep: number;
  readonly pool: string;
  /** Still queued after this many ms, the job expires. */
  readonly startWithinMs: number;
  /** Whom the dispatcher tells when the job ends. */
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob | undefined;
  /** The trace it belongs to, as W3C's `traceparent`. */
  readonly traceparent?: string | undefined;
}

/** Jobs of one caller that are made together or not at all. */
export interface NewOrder {
  readonly jobs: readonly NewJob[];
  /** Id of the API key: each has flows of its own in the order of service. */
  readonly caller: string;
  /** The caller's share in the order of service; 1 is everybody's. */
  readonly weight?: number;
  /** The order is a request of its caller, of which there may be so many in a minute, and which `counted` learns of. */
  readonly requests?: { readonly most: number; readonly counted: (count: RequestCount) => void } | undefined;
  /** Most jobs of the caller that wait, these included. */
  readonly mostWaiting?: number | undefined;
  /** Most jobs of the caller in workers' hands; the others are held back until one ends. */
  readonly mostTaken?: number | undefined;
  /** The order is made once, however often it is sent with the same key. */
  readonly idempotency?: { readonly digest: string; readonly fingerprint: string } | undefined;
}

export interface OrderBounds {
  /** Most open jobs of all callers and pools. */
  readonly maxOpenJobs: number;
  readonly idempotencyTtlSeconds: number;
}

/** The arguments of scripts/create.ts for one order. */
export function orderArguments(order: NewOrder, bounds: OrderBounds): (string | number)[] {
  const { caller, idempotency, jobs, requests, mostWaiting = '' } = order;
  const remember = [idempotency?.digest ?? '', idempotency?.fingerprint ?? '', bounds.idempotencyTtlSeconds * 1000];
  const head = [...remember, caller, requests?.most ?? '', mostWaiting, bounds.maxOpenJobs, jobs.length];
  return [...head, ...jobs.flatMap((job) => jobArguments(job, order))];
}

function jobArguments(job: NewJob, { caller, weight = 1, mostTaken }: NewOrder): (string | number)[] {
  const { lod, priority } = job.request;
  const flow = `${caller}|${lod}|${priority}`;
  const fields: (string | number)[] = ['kind', job.kind, 'request', JSON.stringify(job.request)];
  if (mostTaken !== undefined) fields.push('most_taken', mostTaken);
  if (job.callback !== undefined) fields.push('callback', JSON.stringify(job.callback));
  if (job.parent !== undefined) fields.push('parent', JSON.stringify(job.parent));
  if (job.traceparent !== undefined) fields.push('traceparent', job.traceparent);
  const step = rankStep(job.rankStep, priority, weight);
  const signature = signatureOf(job.request);
  return [job.id, job.pool, flow, step, job.startWithinMs, signature, fields.length, ...fields];
}
