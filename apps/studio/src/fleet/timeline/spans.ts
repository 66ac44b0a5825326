import type { FleetTimeline } from '@comfy-fleet/client';
import { LOD_NAMES } from '../../jobs/words.js';
import { clock, count, duration } from '../../parts/format.js';

export type Span = FleetTimeline['instances'][number]['stretches'][number];

/** The times that a timeline covers, in ms since 1970. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** The position of a span on a line, in pixels. */
export interface Bar {
  readonly span: Span;
  readonly x: number;
  readonly width: number;
  /** The part at its start during which models were loaded. */
  readonly loading: number;
}

/** Narrower bars would be invisible. */
const LEAST_PX = 1;
/** The gap between neighbouring bars, if they are wide enough. */
const GAP_PX = 1;

export function barsOf(spans: readonly Span[], { from, to }: TimeRange, width: number): readonly Bar[] {
  if (width === 0) return []; // not measured yet
  const perMs = width / Math.max(1, to - from);
  return spans.flatMap((span) => {
    const start = Math.max(from, Date.parse(span.from));
    const end = Math.min(to, Date.parse(span.to));
    if (end < from || start > to) return [];
    const x = (start - from) * perMs;
    const whole = (end - start) * perMs;
    const shown = Math.max(LEAST_PX, whole > 4 ? whole - GAP_PX : whole);
    return [{ span, x, width: shown, loading: Math.min(shown, span.loading_seconds * 1000 * perMs) }];
  });
}

/** The index of the bar at `x`, or of the nearest one within `reach`. */
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

/** Draws many bars as one path, since thousands of elements would be slow. */
export function pathOf(bars: readonly { readonly x: number; readonly width: number }[], top: number, height: number) {
  return bars
    .map(({ x, width }) => `M${x.toFixed(1)} ${top}h${width.toFixed(1)}v${height}h-${width.toFixed(1)}z`)
    .join('');
}

/** The workflows of these spans, the one with the most time first. */
export function workflowsOf(spans: readonly Span[]): readonly string[] {
  const seconds = new Map<string, number>();
  for (const span of spans) {
    const workflow = workflowOf(span);
    seconds.set(workflow, (seconds.get(workflow) ?? 0) + secondsOf(span));
  }
  return [...seconds].sort(([, a], [, b]) => b - a).map(([workflow]) => workflow);
}

/** The name that determines a span's label and colour. */
export function workflowOf({ workflow }: Pick<Span, 'workflow'>): string {
  return workflow ?? 'several workflows';
}

function secondsOf({ from, to }: Pick<Span, 'from' | 'to'>): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

export const OUTCOME_WORDS: Readonly<Record<Span['outcome'], string>> = {
  completed: 'completed',
  failed: 'failed',
  canceled: 'canceled',
  running: 'running now',
  stopped: 'stopped and run again elsewhere',
  encoded: 'texts of several jobs encoded ahead',
};

/** `text2img, Sketch`, or `3 jobs of text2img` for a span of several jobs. */
export function jobLabel(span: Pick<Span, 'workflow' | 'lod' | 'jobs'>): string {
  const level = span.lod === null ? '' : `, ${LOD_NAMES[span.lod]}`;
  return `${span.jobs > 1 ? `${count(span.jobs, 'job')} of ` : ''}${workflowOf(span)}${level}`;
}

/** `12 s, including 4.1 s loading models` */
export function durationText(span: Pick<Span, 'from' | 'to' | 'loading_seconds'>): string {
  const loading = span.loading_seconds;
  return `${duration(secondsOf(span))}${loading > 0 ? `, including ${duration(loading)} loading models` : ''}`;
}

/** Describes a span for screen readers. */
export function describeSpan(span: Span): string {
  const who = span.key === null ? '' : `, key ${span.key}`;
  return `${jobLabel(span)}${who}, ${durationText(span)}, ${OUTCOME_WORDS[span.outcome]}, from ${clock(span.from)}`;
}
