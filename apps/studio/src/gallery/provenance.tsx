import type { Job } from '@comfy-fleet/client';
import { NodeTimes } from '../parts/node-times.js';
import { timeOf } from '../parts/time-of.js';
import { Rows } from './parameters.js';

/** Where, when and how the job was made, and its files as they are stored. */
export function Provenance({ job, index }: { readonly job: Job; readonly index: number }) {
  const output = job.outputs[index];
  const rows = [
    ['job', job.id],
    ['status', job.status],
    ['created', timeOf(job.created_at)],
    ['started', timeOf(job.started_at)],
    ['finished', timeOf(job.finished_at)],
    ['waited', secondsOf(job.queue_ms)],
    ['took', secondsOf(job.duration_ms)],
    ['models loaded', secondsOf(job.timings?.model_load_ms ?? null)],
    ['instance', job.instance],
    ['attempts', job.attempts],
    ['file', output?.filename],
    ['content type', output?.content_type],
    ['bytes', output?.bytes.toLocaleString('en')],
    ['size', output?.width === undefined ? undefined : `${output.width} × ${output.height}`],
    ['sha256', output?.sha256],
  ] as const;
  return (
    <section>
      <h2>Provenance</h2>
      <Rows rows={rows.filter(([, value]) => value !== undefined && value !== null)} />
      {job.timings !== null && (
        <NodeTimes
          nodes={job.timings.nodes.map(({ ms, cached, ...node }) => ({
            ...node,
            time: cached ? 'cached' : (ms ?? '–'),
          }))}
        />
      )}
    </section>
  );
}

function secondsOf(ms: number | null): string | null {
  return ms === null ? null : `${(ms / 1000).toFixed(1)} s`;
}
