import { OTHER } from '../../charts/paint.js';
import { useSize } from '../../parts/hooks.js';
import { type Bar, pathOf, type TimeRange, workflowOf } from './spans.js';

interface LaneBarsProps {
  readonly bars: readonly Bar[];
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** ms since 1970. */
  readonly ticks: readonly number[];
  readonly range: TimeRange;
  readonly paints: ReadonlyMap<string, number>;
  readonly chosen: Bar | undefined;
}

/** As shares of the lane's height: the top of the bars, their height, and the font size of labels. */
const TOP = 0.16;
const BAR = 0.6;
const LETTERS = 0.3;

/** The bars of a timeline, with marks for their outcomes. */
export function LaneBars({ bars, width, height, ticks, range, paints, chosen }: LaneBarsProps) {
  const paintOf = ({ span }: Bar) => paints.get(workflowOf(span)) ?? OTHER;
  const top = height * TOP;
  const tall = height * BAR;
  const letters = Math.round(height * LETTERS);
  const loads = bars.filter(({ loading }) => loading > 0).map(({ x, loading }) => ({ x, width: loading }));
  const ended = (outcome: Bar['span']['outcome']) => bars.filter(({ span }) => span.outcome === outcome);
  const perMs = width / Math.max(1, range.to - range.from);
  return (
    <svg className="lane-bars" aria-hidden="true" width={width} height={height}>
      <path
        className="grid-line"
        d={ticks.map((at) => `M${((at - range.from) * perMs).toFixed(1)} 0V${height}`).join('')}
      />
      {[...new Set(bars.map(paintOf))].map((paint) => {
        const painted = bars.filter((bar) => paintOf(bar) === paint);
        const path = pathOf(painted, top, tall);
        return (
          <g key={paint}>
            <path className={`paint-${paint}`} d={path} />
            <path className={`texture-${paint}`} d={path} />
          </g>
        );
      })}
      <path className="loads" d={pathOf(loads, top, tall)} />
      <path
        className="mark-load"
        d={loads.map(({ x }) => `M${x.toFixed(1)} ${(top - 1).toFixed(1)}l-3.5 -5h7z`).join('')}
      />
      {bars
        .filter(({ span, width: wide }) => wide > (workflowOf(span).length * 0.6 + 1) * letters)
        .map(({ span, x, width: wide }) => (
          <text key={span.from} className="bar-label" fontSize={letters} x={x + wide / 2} y={top + tall / 2}>
            {workflowOf(span)}
          </text>
        ))}
      <path className="mark-running" d={pathOf(ended('running').map(endOf), top - 3, tall + 6)} />
      <path
        className="mark-failed"
        d={ended('failed')
          .map((bar) => crossAt(bar, top + tall + 2))
          .join('')}
      />
      <path
        className="mark-stopped"
        d={[...ended('canceled'), ...ended('stopped')].map((bar) => squareAt(bar, top + tall + 2)).join('')}
      />
      {chosen !== undefined && (
        <rect className="chosen-bar" x={chosen.x - 1.5} y={top - 1.5} width={chosen.width + 3} height={tall + 3} />
      )}
    </svg>
  );
}

function endOf({ x, width }: Bar) {
  return { x: x + width - 2, width: 3 };
}

function crossAt({ x, width }: Bar, y: number): string {
  return `M${(x + width - 6).toFixed(1)} ${y.toFixed(1)}l6 6m0 -6l-6 6`;
}

function squareAt({ x, width }: Bar, y: number): string {
  return `M${(x + width - 6).toFixed(1)} ${y.toFixed(1)}h5v5h-5z`;
}

const MINUTE_MS = 60_000;
/** Minutes between two ticks. */
const STEPS = [1, 2, 5, 10, 15, 20, 30];
/** Approximate width of a label, in pixels. */
const LABEL_PX = 64;

/** Round clock times within the range, in ms since 1970, as many as fit. */
export function ticksOf({ from, to }: TimeRange, width: number): readonly number[] {
  const room = Math.max(1, Math.floor(width / LABEL_PX));
  const minutes = (to - from) / MINUTE_MS;
  const step = (STEPS.find((one) => minutes / one <= room) ?? 60) * MINUTE_MS;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** The times above the lanes. */
export function Ruler({ range }: { readonly range: TimeRange }) {
  const [ref, { width }] = useSize<HTMLDivElement>();
  const perMs = width / Math.max(1, range.to - range.from);
  const shown = ticksOf(range, width).map((at) => ({ at, x: (at - range.from) * perMs }));
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
