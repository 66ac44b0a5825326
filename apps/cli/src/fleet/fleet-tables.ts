import type { FleetStatus } from '@comfy-fleet/client';
import type { Cell, Column, Tone } from '../table.js';
import { duration } from '../text.js';

type Instance = FleetStatus['workers'][number]['instances'][number];

/** A table as drawTable takes it. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The orders in which instances can be listed. */
export const SORTS = ['name', 'busy', 'running longest', 'waiting', 'failed'] as const;
export type Sort = (typeof SORTS)[number];

const BUSY_CELLS = 6;
const TONES: Readonly<Record<Instance['state'], Tone>> = {
  up: 'good',
  occupied: 'warn',
  warming: 'warn',
  resting: 'warn',
  unknown: 'warn',
  down: 'bad',
  wedged: 'bad',
};

const POOLS: readonly Column[] = [
  { head: 'pool', least: 10 },
  { head: 'state' },
  { head: 'waiting', isNumber: true },
  { head: 'running', isNumber: true },
  { head: 'instances', isNumber: true },
  { head: 'backlog', isNumber: true },
];

export function poolTable({ pools }: FleetStatus): Table {
  const rows = pools.map(({ name, paused, waiting, running, instances, backlog_seconds: backlog }): Cell[] => [
    { text: name },
    paused === null ? { text: 'open', tone: 'good' } : { text: 'paused', tone: 'warn' },
    { text: `${waiting}` },
    { text: `${running}` },
    { text: `${instances}`, ...(instances === 0 ? { tone: 'bad' } : {}) },
    { text: backlog === null ? '-' : duration(backlog) },
  ]);
  return { columns: POOLS, rows };
}

const INSTANCES: readonly Column[] = [
  { head: 'instance', least: 12 },
  { head: 'state' },
  { head: 'busy', spare: 2 },
  { head: '%', isNumber: true },
  { head: 'runs', least: 24 },
  { head: 'for', isNumber: true },
  { head: 'next', isNumber: true, spare: 3 },
  { head: 'done', isNumber: true, spare: 5 },
  { head: 'failed', isNumber: true, spare: 4 },
  { head: 'ahead', spare: 6 },
  { head: 'holds', least: 14 },
];

/** What a running job is. */
export interface Run {
  readonly workflow: string | null;
  readonly lod: string | null;
  readonly key: string | null;
}

/** `runs` describes running jobs by id; `now` is in ms since 1970. */
export function instanceTable(
  { workers }: FleetStatus,
  { runs, sort, now }: { readonly runs: ReadonlyMap<string, Run>; readonly sort: Sort; readonly now: number },
): Table {
  const rows = workers
    .flatMap(({ instances, storage_fault }) =>
      instances.map((instance) => ({ instance, fault: storage_fault?.reason ?? shortReason(instance) })),
    )
    .sort((a, b) => compare(a.instance, b.instance, sort))
    .map(({ instance, fault }) => instanceRow(instance, { fault, run: runs.get(instance.running?.job ?? ''), now }));
  return { columns: INSTANCES, rows };
}

function instanceRow(
  instance: Instance,
  { fault, run, now }: { readonly fault: string | null; readonly run: Run | undefined; readonly now: number },
): Cell[] {
  const { name, state, drain, busy_share: busy, running, waiting, jobs_done: done, jobs_failed: failed } = instance;
  const cells = Math.round(busy * BUSY_CELLS);
  const seconds = running === null ? undefined : (now - Date.parse(running.since)) / 1000;
  return [
    { text: name },
    drain === null ? { text: state, tone: TONES[state] } : { text: drain.state, tone: 'warn' },
    { text: '█'.repeat(cells) + '░'.repeat(BUSY_CELLS - cells) },
    { text: `${Math.round(busy * 100)}` },
    running === null
      ? { text: fault ?? '-', tone: fault === null ? 'dim' : 'bad' }
      : { text: runText(running.job, run) },
    { text: seconds === undefined ? '' : duration(seconds) },
    { text: `${waiting.length}` },
    { text: `${done}` },
    { text: `${failed}`, ...(failed > 0 ? { tone: 'warn' } : {}) },
    { text: ahead(instance), tone: 'dim' },
    { text: held(instance), tone: 'dim' },
  ];
}

/** The reason without the instance's name, which the table has already. */
function shortReason({ name, reason }: Instance): string | null {
  return reason === null ? null : reason.replace(`The ComfyUI instance ${name} `, '');
}

function runText(job: string, run: Run | undefined): string {
  if (run === undefined) return job;
  return [run.workflow, run.lod, run.key].filter((part) => part !== null).join(' · ');
}

/** What encoding ahead saves per job; `off` and `trial` are explained by GET /fleet. */
function ahead({ encode_ahead: encodeAhead }: Instance): string {
  if (!encodeAhead) return '-';
  const { state, saves_seconds_per_job: saves } = encodeAhead;
  return saves === null ? state : `${saves} s`;
}

/** The first model that the instance has loaded, and how many more. */
function held({ checkpoint, models }: Instance): string {
  const [first = checkpoint, ...others] = models;
  if (first === null) return '-';
  const plain = first.replace(/\.(safetensors|ckpt|gguf|pth?|sft)$/, '');
  return others.length === 0 ? plain : `${plain} +${others.length}`;
}

function compare(a: Instance, b: Instance, sort: Sort): number {
  const since = ({ running }: Instance) => (running === null ? Number.POSITIVE_INFINITY : Date.parse(running.since));
  const by: Record<Sort, () => number> = {
    name: () => 0,
    busy: () => b.busy_share - a.busy_share,
    'running longest': () => (since(a) === since(b) ? 0 : since(a) - since(b)),
    waiting: () => b.waiting.length - a.waiting.length,
    failed: () => b.jobs_failed - a.jobs_failed,
  };
  return by[sort]() || a.name.localeCompare(b.name, 'en', { numeric: true });
}

const KEYS: readonly Column[] = [
  { head: 'key', least: 10 },
  { head: 'weight', isNumber: true, spare: 1 },
  { head: 'minute', isNumber: true },
  { head: 'hour', isNumber: true },
  { head: 'fair', isNumber: true },
  { head: 'waiting', isNumber: true },
  { head: 'oldest wait', isNumber: true },
];

/** Lists keys, the one that waits longest first. */
export function keyTable({ shares }: FleetStatus): Table {
  const rows = [...shares]
    .sort((a, b) => (b.oldest_wait_seconds ?? -1) - (a.oldest_wait_seconds ?? -1) || b.share_hour - a.share_hour)
    .map((share): Cell[] => [
      { text: share.key },
      { text: `${share.weight}` },
      { text: percent(share.share_minute) },
      { text: percent(share.share_hour) },
      { text: percent(share.fair_share) },
      { text: `${share.waiting}` },
      { text: share.oldest_wait_seconds === null ? '-' : duration(share.oldest_wait_seconds) },
    ]);
  return { columns: KEYS, rows };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
