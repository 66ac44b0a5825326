import type { FleetStatus } from '@comfy-fleet/client';
import { duration, table } from './words.js';

type Instance = FleetStatus['workers'][number]['instances'][number];

const BUSY_CELLS = 8;

/** The fleet in tables of at most `columns`, as it is at `now` (ms since 1970). */
export function showFleet(
  { paused, pools, workers, shares, notes }: FleetStatus,
  columns: number,
  now: number,
): string {
  const poolRows = pools.map((pool) => [
    pool.name,
    pool.paused === null ? '' : 'paused',
    `${pool.waiting}`,
    `${pool.running}`,
    `${pool.instances}`,
    pool.backlog_seconds === null ? '' : duration(pool.backlog_seconds),
  ]);
  const instanceRows = workers.flatMap(({ instances, storage_fault }) =>
    instances.map((instance) => instanceRow(instance, storage_fault?.reason, now)),
  );
  const keyRows = shares.map((share) => [
    share.key,
    percent(share.share_minute),
    percent(share.share_hour),
    percent(share.fair_share),
    `${share.waiting}`,
    share.oldest_wait_seconds === null ? '' : duration(share.oldest_wait_seconds),
  ]);
  const blocks = [
    paused === null ? '' : `The fleet is paused since ${paused.since} by ${paused.by}.`,
    table([['pool', '', 'waiting', 'running', 'instances', 'backlog'], ...poolRows], columns),
    instanceRows.length === 0
      ? 'There is no worker.'
      : table([['instance', 'state', 'busy', '', 'done', 'failed', 'model', 'runs'], ...instanceRows], columns),
    keyRows.length === 0 ? '' : table([['key', 'minute', 'hour', 'fair', 'waiting', 'oldest'], ...keyRows], columns),
    notes.join('\n'),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function instanceRow(instance: Instance, storageFault: string | undefined, now: number): string[] {
  const { name, state, drain, reason, busy_share, jobs_done, jobs_failed, running, waiting, checkpoint } = instance;
  const why = storageFault ?? reason;
  const cells = Math.round(busy_share * BUSY_CELLS);
  const next = waiting.length === 0 ? '' : `, ${waiting.length} next`;
  const runs =
    running === null ? '' : `${running.job} for ${duration((now - Date.parse(running.since)) / 1000)}${next}`;
  return [
    name,
    drain?.state ?? state,
    '█'.repeat(cells) + '░'.repeat(BUSY_CELLS - cells),
    percent(busy_share),
    `${jobs_done}`,
    `${jobs_failed}`,
    checkpoint ?? '',
    why === null || running !== null ? runs : why,
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
