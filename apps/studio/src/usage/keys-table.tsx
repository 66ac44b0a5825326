import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { count, gpuTime, percent } from '../parts/amounts.js';
import { type Column, type KeyRow, type Order, rightsOf, sortRows } from './key-rows.js';
import { limitsOf } from './limit-words.js';
import { Sparkline } from './sparkline.js';
import type { AllKeys } from './use-key-rows.js';

const HEADINGS: readonly { readonly by: Column | undefined; readonly name: string }[] = [
  { by: 'key', name: 'Key' },
  { by: undefined, name: 'Rights' },
  { by: 'weight', name: 'Weight' },
  { by: 'share', name: 'Share (hour)' },
  { by: 'jobs', name: 'Jobs' },
  { by: 'failed', name: 'Failed' },
  { by: 'gpu', name: 'GPU time' },
  { by: undefined, name: 'By day' },
  { by: undefined, name: 'Limits' },
];

/** Every key with what it may do and what it used; a column is sorted by its heading. */
export function KeysTable({ keys: { rows, isCut } }: { readonly keys: AllKeys }) {
  const [order, setOrder] = useState<Order>({ by: 'gpu', isDown: true });
  const [wanted, setWanted] = useState('');
  const shown = sortRows(
    rows.filter(({ key }) => key.includes(wanted.trim().toLowerCase())),
    order,
  );
  const sort = (by: Column) => setOrder({ by, isDown: order.by === by ? !order.isDown : by !== 'key' });
  if (rows.length === 0) return <p className="empty">There are no keys, and nobody has made a job.</p>;
  return (
    <>
      <label className="field key-search">
        <span className="label">Find a key</span>
        <input value={wanted} placeholder="part of its name" onChange={(event) => setWanted(event.target.value)} />
      </label>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section className="wide-table" aria-label="All keys" tabIndex={0}>
        <table className="keys">
          <thead>
            <tr>
              {HEADINGS.map(({ by, name }) => (
                <th key={name} scope="col" aria-sort={sortOf(by, order)}>
                  {by === undefined ? (
                    name
                  ) : (
                    <button type="button" className="quiet" onClick={() => sort(by)}>
                      {name}
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <Row key={row.key} row={row} />
            ))}
          </tbody>
        </table>
      </section>
      {shown.length === 0 && <p className="empty">No key matches.</p>}
      {isCut && <p className="hint">There are more keys than fit here: GET /keys and GET /usage/keys list them all.</p>}
    </>
  );
}

function sortOf(by: Column | undefined, order: Order): 'ascending' | 'descending' | undefined {
  if (by === undefined || by !== order.by) return undefined;
  return order.isDown ? 'descending' : 'ascending';
}

function Row({ row }: { readonly row: KeyRow }) {
  const { key, about, used, share } = row;
  const cells: readonly (readonly [string, ReactNode])[] = [
    ['rights', rightsOf(row)],
    ['weight', about?.weight ?? '–'],
    ['share', share === undefined ? '–' : `${percent(share.share_hour)} (fair ${percent(share.fair_share)})`],
    ['jobs', count(used?.jobs ?? 0)],
    ['failed', count(used?.failed ?? 0)],
    ['gpu', gpuTime(used?.gpu_seconds ?? 0)],
    ['days', <Sparkline key="days" amounts={used?.gpu_seconds_by_day.toReversed() ?? []} />],
    ['limits', about === undefined ? '–' : limitsOf(about)],
  ];
  return (
    <tr>
      <th scope="row">{used === undefined ? key : <Link href={`/usage/${key}`}>{key}</Link>}</th>
      {cells.map(([name, cell]) => (
        <td key={name} data-column={name}>
          {cell}
        </td>
      ))}
    </tr>
  );
}
