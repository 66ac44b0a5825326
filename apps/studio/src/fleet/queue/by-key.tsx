import type { FleetStatus } from '@comfy-fleet/client';
import { Link } from 'wouter';
import { duration, percent } from '../words.js';
import { FoldedTable } from './folded-table.js';

const COLUMNS = [
  { title: 'Key' },
  { title: 'Waiting', isNumber: true },
  { title: 'Oldest', isNumber: true },
  { title: 'GPU share now', isNumber: true },
  { title: 'Last hour', isNumber: true },
  { title: 'Fair', isNumber: true },
];

/** Who waits, longest first, and how much of the GPUs each key has. */
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
  return <FoldedTable title="Queue by key" columns={COLUMNS} rows={rows} empty="No key had work in the last hour." />;
}
