import type { Job } from '@comfy-fleet/client';
import { labelOf } from '../form/fields.js';
import { timeOf } from '../parts/format.js';
import { NodeTimes } from '../parts/node-times.js';

/** All inputs of the job, and its metadata. */
export function Parameters({ job: { request, metadata } }: { readonly job: Job }) {
  const { inputs = {}, image, ...plain } = request;
  const given = Object.entries({ ...plain, ...inputs, ...(image === undefined ? {} : { image: imageOf(image) }) });
  const rows = given.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return (
    <section>
      <h2>Parameters</h2>
      <Rows rows={rows} />
      {Object.keys(metadata).length > 0 && (
        <>
          <h3>Metadata</h3>
          <Rows rows={Object.entries(metadata)} />
        </>
      )}
    </section>
  );
}

function Rows({ rows }: { readonly rows: readonly (readonly [string, unknown])[] }) {
  return (
    <dl className="rows">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{labelOf(name)}</dt>
          <dd>{wordsOf(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function imageOf({ source, width, height }: NonNullable<Job['request']['image']>): string {
  return `${source ?? 'sent'}, ${width} × ${height}`;
}

function wordsOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { name, source, width, height } = value as Partial<Record<string, unknown>>;
  if (name === undefined) return JSON.stringify(value);
  return `${source ?? name}${width === undefined ? '' : `, ${width} × ${height}`}`;
}

/** Where, when and how the job ran, and how its file is stored. */
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
