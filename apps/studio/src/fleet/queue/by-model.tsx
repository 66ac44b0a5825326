import type { FleetStatus } from '@comfy-fleet/client';
import { duration, list, modelName } from '../words.js';
import { FoldedTable } from './folded-table.js';

const COLUMNS = [
  { title: 'Models' },
  { title: 'Waiting', isNumber: true },
  { title: 'Oldest', isNumber: true },
  { title: 'Workflow' },
  { title: 'Pool' },
  { title: 'Held by' },
];
/** Instances that are named before they are counted. */
const NAMED = 3;

/** What the waiting jobs have to load, and who holds it. */
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
  return <FoldedTable title="Queue by model" columns={COLUMNS} rows={rows} empty="No jobs are waiting." />;
}

function holders(names: readonly string[]): string {
  if (names.length === 0) return 'no instance yet';
  return names.length <= NAMED
    ? list(names)
    : `${names.slice(0, NAMED - 1).join(', ')} and ${names.length - NAMED + 1} more`;
}
