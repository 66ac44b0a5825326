import { type CSSProperties, type KeyboardEvent, type MouseEvent, memo, useMemo, useState } from 'react';
import { OTHER, Swatch } from '../../charts/paint.js';
import { clock } from '../../parts/format.js';
import { useSize } from '../../parts/hooks.js';
import { LaneBars, ticksOf } from './lane-bars.js';
import {
  type Bar,
  barAt,
  barsOf,
  describeSpan,
  durationText,
  jobLabel,
  OUTCOME_WORDS,
  type Span,
  type TimeRange,
  workflowOf,
} from './spans.js';

interface LaneProps {
  /** The instance's name. */
  readonly name: string;
  readonly spans: readonly Span[];
  readonly range: TimeRange;
  readonly paints: ReadonlyMap<string, number>;
  /** Returns undefined if the user may not open the job. */
  readonly onOpen: (span: Span) => (() => void) | undefined;
}

/** The id of the hint that explains the keys. */
export const LANE_HINT = 'lane-hint';

/** How close the pointer must be to a bar, in pixels, since some bars are thin. */
const REACH_PX = 4;
const PAGE = 10;

/** A timeline of one instance. Pointing at a bar, or moving with the arrow keys, shows the job. */
export const Lane = memo(function Lane({ name, spans, range, paints, onOpen }: LaneProps) {
  const [ref, { width, height }] = useSize<HTMLDivElement>();
  const [chosen, setChosen] = useState<string>();
  const bars = useMemo(() => barsOf(spans, range, width), [spans, range, width]);
  const index = bars.findIndex(({ span }) => span.from === chosen);
  const bar = bars[index];
  const choose = (next: Bar | undefined) => setChosen(next?.span.from);

  if (bars.length === 0) {
    return (
      <div ref={ref} className="lane">
        <span className="lane-empty">{width === 0 ? '' : 'Nothing ran'}</span>
      </div>
    );
  }
  const pointed = ({ clientX, currentTarget }: MouseEvent) => {
    const at = barAt(bars, clientX - currentTarget.getBoundingClientRect().left, REACH_PX);
    return at === undefined ? undefined : bars[at];
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && bar !== undefined) return onOpen(bar.span)?.();
    const to = stepOf(event.key, index, bars.length);
    if (to === undefined) return;
    event.preventDefault();
    choose(bars[to]);
  };
  return (
    <div
      ref={ref}
      className="lane"
      role="slider"
      aria-describedby={LANE_HINT}
      tabIndex={0}
      aria-label={`What ${name} ran`}
      aria-valuemin={1}
      aria-valuemax={bars.length}
      aria-valuenow={index < 0 ? bars.length : index + 1}
      aria-valuetext={bar === undefined ? `${bars.length} spans of work` : describeSpan(bar.span)}
      onKeyDown={press}
      onFocus={({ currentTarget }) => currentTarget.matches(':focus-visible') && index < 0 && choose(bars.at(-1))}
      onBlur={() => choose(undefined)}
      onPointerMove={(event) => choose(pointed(event))}
      onPointerLeave={() => choose(undefined)}
      onClick={(event) => {
        const under = pointed(event);
        // the first tap shows the job, the second opens it
        const isSeen = (event.nativeEvent as globalThis.PointerEvent).pointerType !== 'touch' || under === bar;
        if (under !== undefined && isSeen) onOpen(under.span)?.();
        else choose(under);
      }}
    >
      <LaneBars
        bars={bars}
        width={width}
        height={height}
        ticks={ticksOf(range, width)}
        range={range}
        paints={paints}
        chosen={bar}
      />
      {bar !== undefined && (
        <SpanTip bar={bar} width={width} paints={paints} mayOpen={onOpen(bar.span) !== undefined} />
      )}
    </div>
  );
});

/** The index that a key moves to among `length` bars; undefined for other keys. */
function stepOf(key: string, from: number, length: number): number | undefined {
  const last = length - 1;
  const at = from < 0 ? last : from;
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    ArrowDown: at - 1,
    ArrowUp: at + 1,
    PageDown: at - PAGE,
    PageUp: at + PAGE,
    Home: 0,
    End: last,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.max(0, Math.min(last, to));
}

interface SpanTipProps {
  readonly bar: Bar;
  /** The lane's width, in pixels. */
  readonly width: number;
  readonly paints: ReadonlyMap<string, number>;
  readonly mayOpen: boolean;
}

/** A tooltip beside the chosen bar. */
function SpanTip({ bar: { span, x, width: wide }, width, paints, mayOpen }: SpanTipProps) {
  const centre = Math.max(0, Math.min(width, x + wide / 2));
  const isLeft = centre < width / 2;
  const style = { '--at': `${isLeft ? centre : width - centre}px` } as CSSProperties;
  return (
    <div className="card tip" data-side={isLeft ? 'left' : 'right'} style={style} aria-hidden="true">
      <p className="tip-title">
        <Swatch paint={paints.get(workflowOf(span)) ?? OTHER} /> {jobLabel(span)}
      </p>
      <p>{durationText(span)}</p>
      <p>
        {clock(span.from)} to {span.outcome === 'running' ? 'now' : clock(span.to)}, {OUTCOME_WORDS[span.outcome]}
      </p>
      {span.key !== null && <p>key {span.key}</p>}
      {span.job_id !== null && <p className="tip-id">{span.job_id}</p>}
      <p className="hint">{hintOf(span.job_id, mayOpen)}</p>
    </div>
  );
}

function hintOf(job: string | null, mayOpen: boolean): string {
  if (job === null) return 'Choose a shorter time range to see each job.';
  return mayOpen ? 'Click, tap again or press Enter to open the job.' : 'Only its own key can open this job.';
}
