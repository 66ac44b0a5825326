import { LODS, type Lod, type TerminalStatus } from '@comfy-fleet/contracts';
import type { FleetFigures } from '../figures/figures.js';
import { instancesAtWork } from '../workers/serving.js';

/** The fleet at one moment. */
export interface Sample {
  /** ms since 1970, by Redis' clock. */
  readonly at: number;
  /** Jobs that have not begun. */
  readonly waiting: number;
  readonly running: number;
  /** Instances that are given work. */
  readonly instancesUp: number;
  /** Jobs that ended since ever. */
  readonly ended: Readonly<Record<Lod, Ended>>;
  /** By key, GPU seconds in a step, on average over the minute before: the largest, and the rest as `other`. */
  readonly gpuSeconds: Readonly<Record<string, number>>;
}

type Ended = Readonly<Record<TerminalStatus, number>>;

/** Keys that are named in one. */
const MOST_KEYS = 8;
const REST = 'other';

/** What is kept of the figures of that moment. */
export function sampleOf(figures: FleetFigures, at: number, stepSeconds: number): Sample {
  const lanes = figures.pools.flatMap(({ lanes }) => lanes);
  return {
    at,
    waiting: sum(lanes.map(({ waiting, claimed, parked }) => waiting + claimed + parked)),
    running: sum(lanes.map(({ running }) => running)),
    instancesUp: instancesAtWork(figures.workers, figures.halts).length,
    ended: Object.fromEntries(LODS.map((lod) => [lod, endedOf(figures, lod)])) as Record<Lod, Ended>,
    gpuSeconds: gpuSecondsOf(figures, stepSeconds),
  };
}

function endedOf({ totals }: FleetFigures, lod: Lod): Ended {
  const count = (status: TerminalStatus) =>
    sum(totals.filter((one) => one.lod === lod && one.outcome === status).map((one) => one.count));
  return {
    succeeded: count('succeeded'),
    failed: count('failed'),
    canceled: count('canceled'),
    expired: count('expired'),
  };
}

function gpuSecondsOf({ shares }: FleetFigures, stepSeconds: number): Record<string, number> {
  const sorted = shares
    .map(({ key, gpuMsMinute }) => [key, (gpuMsMinute / 60_000) * stepSeconds] as const)
    .filter(([, seconds]) => seconds > 0)
    .sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(MOST_KEYS).map(([, seconds]) => [REST, seconds] as const);
  const all: Record<string, number> = {};
  for (const [key, seconds] of [...sorted.slice(0, MOST_KEYS), ...rest]) all[key] = (all[key] ?? 0) + seconds;
  return Object.fromEntries(Object.entries(all).map(([key, seconds]) => [key, Math.round(seconds * 10) / 10]));
}

/** How many more jobs ended like this. A Redis that fails over may forget some. */
export function endedBetween(before: Sample, after: Sample, status: TerminalStatus, lods: readonly Lod[] = LODS) {
  return sum(lods.map((lod) => Math.max(0, after.ended[lod][status] - before.ended[lod][status])));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
