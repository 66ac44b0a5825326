import type { FleetTimeline } from '@comfy-fleet/client';
import { LOD_NAMES } from '../../jobs/words.js';
import { clock, count, duration } from '../../parts/format.js';

export type Stretch = FleetTimeline['instances'][number]['stretches'][number];

/** From when to when a line goes, in ms since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where on a line of `width` pixels a stretch is. */
export interface Bar {
  readonly stretch: Stretch;
  readonly x: number;
  readonly width: number;
  /** Of it, at its beginning: models were loaded. */
  readonly loading: number;
}

/** Narrower is not seen. */
const LEAST_PX = 1;
/** Between neighbours, where there is room for it. */
const GAP_PX = 1;

export function barsOf(stretches: readonly Stretch[], { from, to }: Span, width: number): readonly Bar[] {
  if (width === 0) return []; // not known yet
  const perMs = width / Math.max(1, to - from);
  return stretches.flatMap((stretch) => {
    const start = Math.max(from, Date.parse(stretch.from));
    const end = Math.min(to, Date.parse(stretch.to));
    if (end < from || start > to) return [];
    const x = (start - from) * perMs;
    const whole = (end - start) * perMs;
    const shown = Math.max(LEAST_PX, whole > 4 ? whole - GAP_PX : whole);
    return [{ stretch, x, width: shown, loading: Math.min(shown, stretch.loading_seconds * 1000 * perMs) }];
  });
}

/** The bar at a place, or the nearest one within reach. */
export function barAt(bars: readonly Bar[], x: number, reach: number): number | undefined {
  let best: number | undefined;
  let least = reach;
  bars.forEach((bar, index) => {
    const off = x < bar.x ? bar.x - x : Math.max(0, x - bar.x - bar.width);
    if (off > least) return;
    least = off;
    best = index;
  });
  return best;
}

/** One path for many bars: thousands of elements would be too many. */
export function pathOf(bars: readonly { readonly x: number; readonly width: number }[], top: number, height: number) {
  return bars
    .map(({ x, width }) => `M${x.toFixed(1)} ${top}h${width.toFixed(1)}v${height}h-${width.toFixed(1)}z`)
    .join('');
}

/** Of all instances, by seconds, most first. */
export function workflowsOf(stretches: readonly Stretch[]): readonly string[] {
  const seconds = new Map<string, number>();
  for (const stretch of stretches) {
    const workflow = workflowOf(stretch);
    seconds.set(workflow, (seconds.get(workflow) ?? 0) + secondsOf(stretch));
  }
  return [...seconds].sort(([, a], [, b]) => b - a).map(([workflow]) => workflow);
}

/** What it is painted and called by. */
export function workflowOf({ workflow }: Pick<Stretch, 'workflow'>): string {
  return workflow ?? 'several workflows';
}

function secondsOf({ from, to }: Pick<Stretch, 'from' | 'to'>): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

export const OUTCOME_WORDS: Readonly<Record<Stretch['outcome'], string>> = {
  completed: 'completed',
  failed: 'failed',
  canceled: 'canceled',
  running: 'running now',
  stopped: 'stopped, and ran again elsewhere',
};

/** `text2img, Sketch`, with how many jobs where it stands for several. */
export function whatOf(stretch: Pick<Stretch, 'workflow' | 'lod' | 'jobs'>): string {
  const level = stretch.lod === null ? '' : `, ${LOD_NAMES[stretch.lod]}`;
  return `${stretch.jobs > 1 ? `${count(stretch.jobs, 'job')} of ` : ''}${workflowOf(stretch)}${level}`;
}

/** `12 s, of these 4.1 s loading models` */
export function timeOf(stretch: Pick<Stretch, 'from' | 'to' | 'loading_seconds'>): string {
  const loading = stretch.loading_seconds;
  return `${duration(secondsOf(stretch))}${loading > 0 ? `, of these ${duration(loading)} loading models` : ''}`;
}

/** A stretch in one sentence, for those who hear it. */
export function textOf(stretch: Stretch): string {
  const who = stretch.key === null ? '' : `, key ${stretch.key}`;
  return `${whatOf(stretch)}${who}, ${timeOf(stretch)}, ${OUTCOME_WORDS[stretch.outcome]}, from ${clock(stretch.from)}`;
}
