import { FleetError } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';

/** Of the span in which an order is accepted: from here its jobs go on in the trace. */
export const ACCEPTING = {
  kind: 'producer',
  attributes: { 'messaging.system': 'bullmq', 'messaging.operation.type': 'send' },
  // What is refused is refused with good reason.
  isFault: (error: unknown) => !(error instanceof FleetError) || error.status >= 500,
} as const;

/** What that span says of the order. */
export function factsOf(jobs: readonly NewJob[]) {
  const [job] = jobs;
  if (job === undefined || jobs.length > 1) return { 'messaging.batch.message_count': jobs.length };
  const { id, kind, pool, request } = job;
  const facts = { 'comfy_fleet.job.id': id, 'comfy_fleet.job.kind': kind, 'comfy_fleet.lod': request.lod };
  return { ...facts, 'messaging.destination.name': pool };
}
