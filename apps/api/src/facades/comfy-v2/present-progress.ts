import type { JobRecord, Progress } from '@comfy-fleet/jobs';

/** The Progress of a job; null while nothing has begun. */
export function presentProgress({ status, startedAt, progress: last, timings }: JobRecord): object | null {
  if (status !== 'succeeded') return startedAt === null ? null : progress(last);
  const total = timings?.nodes.length ?? 0;
  return progress({ fraction: 1, step: null, steps: null, node: null, nodes: { done: total, total } });
}

/** A Progress of the specification. */
export function progress({ fraction, step, steps, node, nodeId, nodeClass, nodes }: Progress): object {
  return {
    value: fraction,
    nodes_done: nodes?.done ?? 0,
    nodes_total: nodes?.total ?? 0,
    current_node: nodeId ?? null,
    current_node_class: nodeClass ?? null,
    step,
    steps,
    message: node === null || steps === null ? node : `${node} ${step}/${steps}`,
  };
}
