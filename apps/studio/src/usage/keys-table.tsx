import type { Fleet } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { formatNumber, gpuTime, percent } from '../parts/format.js';
import { useFleet } from '../session.js';
import { type Column, type KeyRow, keyRows, limitsOf, type Order, rightsOf, sortRows } from './key-rows.js';

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

/** All keys with their rights, usage and limits; clicking a heading sorts by its column. */
export function KeysTable({ keys: { rows, isCut } }: { readonly keys: AllKeys }) {
  const [order, setOrder] = useState<Order>({ by: 'gpu', isDown: true });
  const [wanted, setWanted] = useState('');
  const shown = sortRows(
    rows.filter(({ key }) => key.includes(wanted.trim().toLowerCase())),
    order,
  );
  const sort = (by: Column) => setOrder({ by, isDown: order.by === by ? !order.isDown : by !== 'key' });
  if (rows.length === 0) return <p className="empty">There are no keys, and no jobs have been made.</p>;
  return (
    <>
      <label className="field key-search">
        <span className="label">Find a key</span>
        <input value={wanted} placeholder="part of its name" onChange={(event) => setWanted(event.target.value)} />
      </label>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it */}
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
    ['jobs', formatNumber(used?.jobs ?? 0)],
    ['failed', formatNumber(used?.failed ?? 0)],
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

const HEIGHT = 24;
const WIDTH = 96;

/** Amounts by day as small bars, oldest first; the key's page has the numbers. */
function Sparkline({ amounts }: { readonly amounts: readonly number[] }) {
  const top = Math.max(...amounts, 0);
  if (top === 0) return null;
  const step = WIDTH / amounts.length;
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden="true">
      {amounts.map((amount, at) => {
        const height = amount === 0 ? 0 : Math.max(1, (amount / top) * HEIGHT);
        // biome-ignore lint/suspicious/noArrayIndexKey: a day stays where it is
        return <rect key={at} x={at * step} y={HEIGHT - height} width={Math.max(0.5, step - 0.5)} height={height} />;
      })}
    </svg>
  );
}

/** Each page has a hundred keys. */
const MOST_PAGES = 20;

export interface AllKeys {
  readonly rows: readonly KeyRow[];
  /** There are more keys than shown. */
  readonly isCut: boolean;
}

/** All API keys with their rights and usage; needs the right admin. */
export function useKeyRows(days: number, isWanted: boolean) {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['keys', days],
    enabled: isWanted,
    queryFn: async ({ signal }): Promise<AllKeys> => {
      const [keys, used, { shares }] = await Promise.all([
        pages((cursor) => fleet.keys({ cursor, signal })),
        pages((cursor) => fleet.usageOfKeys({ days, cursor, signal })),
        fleet.status({ signal }),
      ]);
      return { rows: keyRows(keys.data, used.data, shares), isCut: keys.isCut || used.isCut };
    },
  });
}

type Page = Awaited<ReturnType<Fleet['keys']>> | Awaited<ReturnType<Fleet['usageOfKeys']>>;

async function pages<P extends Page>(read: (cursor: string | undefined) => Promise<P>) {
  const data: P['data'][number][] = [];
  let cursor: string | null | undefined;
  for (let n = 0; n < MOST_PAGES && cursor !== null; n++) {
    const page: P = await read(cursor);
    data.push(...page.data);
    cursor = page.next_cursor;
  }
  return { data, isCut: cursor !== null };
}
