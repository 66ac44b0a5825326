import type { JobRecord, Progress } from '@comfy-fleet/jobs';

/** The Progress of a job; null while nothing has begun. */
export function presentProgress(record: Pick<JobRecord, 'status' | 'startedAt' | 'progress'>): object | null {
  if (record.status === 'succeeded') return ended(record.progress);
  return record.startedAt === null ? null : progress(record.progress);
}

/** A Progress of the specification. */
export function progress({ fraction, step, steps, node }: Progress): object {
  return {
    value: fraction,
    nodes_done: 0,
    nodes_total: 0,
    current_node: null,
    current_node_class: node,
    step,
    steps,
    message: node === null || steps === null ? node : `${node} ${step}/${steps}`,
  };
}

function ended(last: Progress): object {
  return progress({ ...last, fraction: 1, step: null, steps: null, node: null });
}
