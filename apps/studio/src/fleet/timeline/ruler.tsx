import { useSize } from '../../parts/use-size.js';
import type { Span } from './stretches.js';

const MINUTE_MS = 60_000;
/** Between two ticks, in minutes. */
const STEPS = [1, 2, 5, 10, 15, 20, 30];
/** A label needs about as much, in pixels. */
const LABEL_PX = 64;

/** Round times of the clock within the span, in ms since 1970, as many as there is room for. */
export function ticksOf({ from, to }: Span, width: number): readonly number[] {
  const room = Math.max(1, Math.floor(width / LABEL_PX));
  const minutes = (to - from) / MINUTE_MS;
  const step = (STEPS.find((one) => minutes / one <= room) ?? 60) * MINUTE_MS;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** The times above the lanes. */
export function Ruler({ span }: { readonly span: Span }) {
  const [ref, { width }] = useSize<HTMLDivElement>();
  const perMs = width / Math.max(1, span.to - span.from);
  const shown = ticksOf(span, width).map((at) => ({ at, x: (at - span.from) * perMs }));
  return (
    <div ref={ref} className="ruler" aria-hidden="true">
      <svg aria-hidden="true" width={width} height="20">
        {shown
          .filter(({ x }) => x > 18 && x < width - 52)
          .map(({ at, x }) => (
            <text key={at} x={x} y="14" textAnchor="middle">
              {new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}
            </text>
          ))}
        <text x={width} y="14" textAnchor="end" className="ruler-now">
          now
        </text>
      </svg>
    </div>
  );
}
