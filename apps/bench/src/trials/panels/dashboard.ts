import { readFile } from 'node:fs/promises';
import { table } from '../../lib/report.js';
import { inRepository } from '../../local.js';
import { NAMES } from '../behind-nginx/stack.js';
import type { Series } from './prometheus.js';

const FILE = inRepository('infra/grafana/dashboards/fleet.json');

/** One query of a panel of the dashboard. */
export interface Panel {
  readonly row: string;
  readonly title: string;
  /** As Grafana names it: `s`, `percentunit`, … */
  readonly unit: string;
  /** The query, with values for Grafana's variables. */
  readonly expr: string;
}

interface GrafanaPanel {
  readonly type: string;
  readonly title: string;
  readonly panels?: readonly GrafanaPanel[];
  readonly targets?: readonly { readonly expr: string }[];
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
}

const VARIABLES: Readonly<Record<string, string>> = { $pool: '.*', $__rate_interval: '20s' };

/** The queries of the dashboard that operators get, in its order. */
export async function readDashboard(): Promise<Panel[]> {
  const { panels } = JSON.parse(await readFile(FILE, 'utf8')) as { panels: GrafanaPanel[] };
  let row = '';
  return panels.flatMap((panel) => {
    if (panel.type === 'row') row = panel.title;
    return [panel, ...(panel.panels ?? [])].flatMap(({ title, targets = [], fieldConfig }) =>
      targets.map(({ expr }) => ({ row, title, unit: fieldConfig?.defaults?.unit ?? '', expr: filled(expr) })),
    );
  });
}

/** Throws for an unknown variable. */
function filled(expr: string): string {
  const text = Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expr);
  if (/\$\w/.test(text)) throw new Error(`the dashboard has an unknown variable: ${text}`);
  return text;
}

/** The limits of a panel's last value in this run. */
const EXPECTED: Readonly<Record<string, readonly [number, number]>> = {
  'Instances up': [NAMES.simulators.length, NAMES.simulators.length],
  Workers: [NAMES.workers.length, NAMES.workers.length],
  'GPUs busy': [0.01, 1.05],
  // A rate over five minutes, in a run that is less than one minute old.
  'Prompts a minute': [1, 1200],
  Paused: [0, 0],
  'Redis evicts nothing': [1, 1],
  'Redis keeps a file': [1, 1],
  'Redis answers': [1, 1],
  'Share of 5xx': [0, 0.05],
};

/** Panels that must show more than zero at some time. */
const RISING = [
  'Jobs waiting',
  'Oldest waiting job',
  'Work ahead of each instance',
  'Jobs running',
  'Drained',
  'Jobs that failed, share',
  'Submissions tried again, a minute',
  'Errors answered by the api, a minute',
  'Requests a second',
];

/** The minimum number of series: one for each process or instance. */
const SERIES: Readonly<Record<string, number>> = {
  Instances: NAMES.simulators.length,
  'Busy, by instance': NAMES.simulators.length,
  'Processors used': NAMES.apis.length + NAMES.workers.length + NAMES.dispatchers.length,
  'Memory of the processes': NAMES.apis.length + NAMES.workers.length + NAMES.dispatchers.length,
  Versions: NAMES.apis.length + NAMES.workers.length + NAMES.dispatchers.length,
};

/** The limits of all values of a unit in a run of a minute or two. */
const UNITS: Readonly<Record<string, readonly [number, number]>> = {
  s: [0, 3600],
  percentunit: [0, 1.2],
  short: [0, 100_000],
  reqps: [0, 10_000],
  bytes: [0, 2 ** 50],
};

/** Its panels are empty where no worker fetches models. */
const MAY_BE_EMPTY = 'Models on demand';

/** The only panel whose values may be negative. */
const MAY_BE_NEGATIVE = 'Longest over its promise';

interface PanelValues {
  readonly series: number;
  /** The last value of the first series. */
  readonly last: number | undefined;
  readonly least: number;
  readonly most: number;
  readonly faults: readonly string[];
}

export type JudgedPanel = Panel & PanelValues;

/** Summarises what a panel shows, and what is wrong with it. */
export function judgePanel({ row, title, unit }: Panel, all: readonly Series[]): PanelValues {
  const series = all.filter(({ values }) => values.length > 0);
  const values = series.flatMap(({ values }) => values);
  const last = series.map(({ values }) => values.at(-1) as number);
  const [from, to] = UNITS[unit] ?? [Number.NaN, Number.NaN];
  const least = Math.min(...values);
  const most = Math.max(...values);
  const [atLeast, atMost] = EXPECTED[title] ?? [from, to];
  const floor = title === MAY_BE_NEGATIVE ? -Infinity : from;
  const faults = [
    ...(series.length === 0 && row !== MAY_BE_EMPTY ? ['has no data'] : []),
    ...(Number.isNaN(from) ? [`has an unknown unit: ${unit}`] : []),
    ...(least < floor || most > to ? [`has values from ${least} to ${most}, in ${unit}`] : []),
    ...(title !== MAY_BE_NEGATIVE && last.some((value) => value < atLeast || value > atMost)
      ? [`shows ${last.join(', ')}, which is not between ${atLeast} and ${atMost}`]
      : []),
    ...(RISING.includes(title) && !(most > 0) ? ['never rises'] : []),
    ...(series.length < (SERIES[title] ?? 0) ? [`has ${series.length} series, not ${SERIES[title]}`] : []),
  ];
  return {
    series: series.length,
    last: last[0],
    least,
    most,
    faults: series.length === 0 ? faults.slice(0, 1) : faults,
  };
}

export function panelTable(panels: readonly JudgedPanel[]): string {
  const show = (value: number | undefined) => (value === undefined || !Number.isFinite(value) ? '' : brief(value));
  const rows = panels.flatMap(({ row, title, unit, series, last, least, most, faults }, n) => [
    ...(row === panels[n - 1]?.row ? [] : [[`— ${row}`]]),
    [title, unit, `${series}`, show(last), show(least), show(most), faults.length === 0 ? 'ok' : 'WRONG'],
  ]);
  return table('Panels of the dashboard', ['panel', 'unit', 'series', 'last', 'least', 'most', ''], rows);
}

function brief(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toPrecision(3);
}
