import type { Abortable, Fleet, FleetAlert, FleetStatus, FleetTimeline } from '@comfy-fleet/client';
import { drawTable, type Tone, toned } from '../table.js';
import { duration, fitting, wrapped } from '../text.js';
import { instanceTable, keyTable, poolTable, type Run, type Sort, type Table } from './fleet-tables.js';

/** The state of the fleet at one moment. */
export interface FleetView {
  /** The address of the API. */
  readonly url: string;
  readonly status: FleetStatus;
  /** Running jobs, by id. */
  readonly runs: ReadonlyMap<string, Run>;
  readonly alerts: readonly Pick<FleetAlert, 'name' | 'since' | 'severity' | 'summary'>[];
  /** In ms since 1970. */
  readonly now: number;
}

export interface Drawing {
  readonly width: number;
  readonly isColored: boolean;
  readonly sort: Sort;
}

/** Lines of the view; the first `fixed` stay in place when the others scroll. */
export interface Block {
  readonly lines: readonly string[];
  readonly fixed: number;
}

/** The parts of the view, each at its full length. */
export interface Blocks {
  readonly summary: Block;
  readonly alerts: Block;
  readonly pools: Block;
  readonly instances: Block;
  readonly keys: Block;
}

export function fleetBlocks(view: FleetView, { width, isColored, sort }: Drawing): Blocks {
  const { status, runs, now } = view;
  const line = (text: string, tone?: Tone) => toned(fitting(text, width + 1), tone, isColored);
  const wrap = (text: string, tone: Tone) => wrapped(text, width).map((line) => toned(line, tone, isColored));
  const block = (table: Table, none: string): Block =>
    table.rows.length === 0
      ? { lines: [line(none, 'dim')], fixed: 1 }
      : { lines: drawTable(table.columns, table.rows, { width, isColored }), fixed: 1 };
  const alerts = [
    ...view.alerts.flatMap(({ name, since, severity, summary }) => {
      const text = `${name} (${duration((now - Date.parse(since)) / 1000)}): ${summary}`;
      return wrap(text, severity === 'critical' ? 'bad' : 'warn');
    }),
    ...status.notes.flatMap((note) => wrap(note, 'warn')),
  ];
  return {
    summary: { lines: [line(summaryOf(view), 'bold')], fixed: 1 },
    alerts: { lines: alerts, fixed: 0 },
    pools: block(poolTable(status), 'There are no pools.'),
    instances: block(instanceTable(status, { runs, sort, now }), 'No workers are running.'),
    keys: block(keyTable(status), 'No key has had jobs in the last hour.'),
  };
}

/** The whole view as text. */
export function fleetText(view: FleetView, drawing: Drawing): string {
  const { summary, alerts, pools, instances, keys } = fleetBlocks(view, drawing);
  const parts = [summary, alerts, pools, instances, keys].filter(({ lines }) => lines.length > 0);
  return parts.map(({ lines }) => lines.join('\n')).join('\n\n');
}

function summaryOf({ url, status: { pools, workers } }: FleetView): string {
  const instances = workers.flatMap((worker) => worker.instances);
  const sum = (of: (pool: FleetStatus['pools'][number]) => number) =>
    pools.reduce((total, pool) => total + of(pool), 0);
  const up = instances.filter(({ state }) => state === 'up' || state === 'occupied').length;
  const jobs = `${sum((pool) => pool.running)} running · ${sum((pool) => pool.waiting)} waiting`;
  return `${up} of ${instances.length} instances up · ${jobs} · ${url}`;
}

/** Reads the current state of the fleet. */
export async function readFleet(fleet: Fleet, options: Abortable): Promise<FleetView> {
  const [status, timeline, { alerts }] = await Promise.all([
    fleet.status(options),
    fleet.timeline({ ...options, minutes: 1 }),
    fleet.alerts(options),
  ]);
  return { url: fleet.url, status, runs: runsOf(timeline), alerts, now: Date.now() };
}

/** The jobs of the last minute, by id: a job that a worker reports as running may have ended since. */
function runsOf({ instances }: FleetTimeline): Map<string, Run> {
  const runs = new Map<string, Run>();
  for (const { job_id, ...run } of instances.flatMap(({ stretches }) => stretches)) {
    if (job_id !== null) runs.set(job_id, run);
  }
  return runs;
}
