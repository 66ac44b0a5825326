import type { Job } from '@comfy-fleet/client';
import { labelOf } from '../form/fields.js';

/** Every value that the job was made with, and what its caller wrote beside it. */
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

export function Rows({ rows }: { readonly rows: readonly (readonly [string, unknown])[] }) {
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
