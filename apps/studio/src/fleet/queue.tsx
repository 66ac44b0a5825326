import type { FleetStatus } from '@comfy-fleet/client';
import { type ReactNode, useId, useState } from 'react';
import { Link } from 'wouter';
import { duration, list, modelName, percent } from '../parts/format.js';

const KEY_COLUMNS = [
  { title: 'Key' },
  { title: 'Waiting', isNumber: true },
  { title: 'Oldest', isNumber: true },
  { title: 'GPU share now', isNumber: true },
  { title: 'Last hour', isNumber: true },
  { title: 'Fair', isNumber: true },
];

/** The waiting jobs and GPU shares of each key, with the key that waits longest first. */
export function ByKey({ shares }: Pick<FleetStatus, 'shares'>) {
  const sorted = [...shares].sort(
    (a, b) => (b.oldest_wait_seconds ?? -1) - (a.oldest_wait_seconds ?? -1) || b.gpu_seconds_hour - a.gpu_seconds_hour,
  );
  const rows = sorted.map(({ key, waiting, oldest_wait_seconds: oldest, share_minute, share_hour, fair_share }) => ({
    key,
    cells: [
      <Link key="name" href={`/usage/${encodeURIComponent(key)}`}>
        {key}
      </Link>,
      waiting.toLocaleString('en'),
      oldest === null ? '–' : duration(oldest),
      percent(share_minute),
      percent(share_hour),
      percent(fair_share),
    ],
  }));
  return (
    <FoldedTable title="Queue by key" columns={KEY_COLUMNS} rows={rows} empty="No key had work in the last hour." />
  );
}

const MODEL_COLUMNS = [
  { title: 'Models' },
  { title: 'Waiting', isNumber: true },
  { title: 'Oldest', isNumber: true },
  { title: 'Workflow' },
  { title: 'Pool' },
  { title: 'Loaded on' },
];
/** How many instances are named before the rest is counted. */
const NAMED = 3;

/** The models that waiting jobs need, and the instances that have them loaded. */
export function ByModel({ pools }: Pick<FleetStatus, 'pools'>) {
  const rows = pools
    .flatMap(({ name, waiting_for_models }) => waiting_for_models.map((row) => ({ ...row, pool: name })))
    .sort((a, b) => b.jobs - a.jobs)
    .map(({ pool, workflow, models, jobs, oldest_wait_seconds: oldest, held_by }) => ({
      key: [pool, workflow, ...models].join(' '),
      cells: [
        models.length === 0 ? 'none' : models.map(modelName).join(', '),
        jobs.toLocaleString('en'),
        oldest === null ? '–' : duration(oldest),
        workflow,
        pool,
        holders(held_by),
      ],
    }));
  return <FoldedTable title="Queue by model" columns={MODEL_COLUMNS} rows={rows} empty="No jobs are waiting." />;
}

function holders(names: readonly string[]): string {
  if (names.length === 0) return 'no instance yet';
  return names.length <= NAMED
    ? list(names)
    : `${names.slice(0, NAMED - 1).join(', ')} and ${names.length - NAMED + 1} more`;
}

interface FoldedTableProps {
  readonly title: string;
  readonly columns: readonly { readonly title: string; readonly isNumber?: boolean }[];
  /** The first cell names the row. */
  readonly rows: readonly { readonly key: string; readonly cells: readonly ReactNode[] }[];
  /** Shown if there are no rows. */
  readonly empty: string;
}

/** How many rows are shown at first. */
const FIRST = 8;

/** A table that shows its first rows, and all of them on request. */
function FoldedTable({ title, columns, rows, empty }: FoldedTableProps) {
  const [isWhole, setWhole] = useState(false);
  const heading = useId();
  const classOf = (column: number) => (columns[column]?.isNumber ? 'number' : undefined);
  return (
    <section className="card panel" aria-labelledby={heading}>
      <h2 id={heading}>{title}</h2>
      {rows.length === 0 ? (
        <p className="empty">{empty}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it
        <section className="scrolls" tabIndex={0} aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                {columns.map((column, index) => (
                  <th key={column.title} scope="col" className={classOf(index)}>
                    {column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(isWhole ? rows : rows.slice(0, FIRST)).map(({ key, cells: [name, ...cells] }) => (
                <tr key={key}>
                  <th scope="row">{name}</th>
                  {cells.map((cell, index) => (
                    <td key={columns[index + 1]?.title} className={classOf(index + 1)}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {rows.length > FIRST && (
        <button type="button" className="quiet" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? `Show ${FIRST}` : `Show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}
