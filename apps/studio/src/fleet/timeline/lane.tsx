import { type CSSProperties, type KeyboardEvent, type MouseEvent, memo, useMemo, useState } from 'react';
import { OTHER, Swatch } from '../../charts/paint.js';
import { clock } from '../../parts/format.js';
import { useSize } from '../../parts/hooks.js';
import { LaneBars, ticksOf } from './lane-bars.js';
import {
  type Bar,
  barAt,
  barsOf,
  OUTCOME_WORDS,
  type Span,
  type Stretch,
  textOf,
  timeOf,
  whatOf,
  workflowOf,
} from './spans.js';

interface LaneProps {
  /** Of the instance. */
  readonly name: string;
  readonly stretches: readonly Stretch[];
  readonly span: Span;
  readonly paints: ReadonlyMap<string, number>;
  /** Undefined: nobody here may see that job. */
  readonly onOpen: (stretch: Stretch) => (() => void) | undefined;
}

/** Id of what says how to use it. */
export const LANE_HINT = 'lane-hint';

/** How near a pointer has to come, in pixels: some bars are thin. */
const REACH_PX = 4;
const PAGE = 10;

/** What one instance ran, as a line in time: pointed at, or gone through with the arrow keys, it tells of each job. */
export const Lane = memo(function Lane({ name, stretches, span, paints, onOpen }: LaneProps) {
  const [ref, { width, height }] = useSize<HTMLDivElement>();
  const [chosen, setChosen] = useState<string>();
  const bars = useMemo(() => barsOf(stretches, span, width), [stretches, span, width]);
  const index = bars.findIndex(({ stretch }) => stretch.from === chosen);
  const bar = bars[index];
  const choose = (next: Bar | undefined) => setChosen(next?.stretch.from);

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
    if (event.key === 'Enter' && bar !== undefined) return onOpen(bar.stretch)?.();
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
      aria-valuetext={bar === undefined ? `${bars.length} stretches of work` : textOf(bar.stretch)}
      onKeyDown={press}
      onFocus={({ currentTarget }) => currentTarget.matches(':focus-visible') && index < 0 && choose(bars.at(-1))}
      onBlur={() => choose(undefined)}
      onPointerMove={(event) => choose(pointed(event))}
      onPointerLeave={() => choose(undefined)}
      onClick={(event) => {
        const under = pointed(event);
        // a finger sees first what it is about to open
        const isSeen = (event.nativeEvent as globalThis.PointerEvent).pointerType !== 'touch' || under === bar;
        if (under !== undefined && isSeen) onOpen(under.stretch)?.();
        else choose(under);
      }}
    >
      <LaneBars
        bars={bars}
        width={width}
        height={height}
        ticks={ticksOf(span, width)}
        span={span}
        paints={paints}
        chosen={bar}
      />
      {bar !== undefined && (
        <StretchTip bar={bar} width={width} paints={paints} mayOpen={onOpen(bar.stretch) !== undefined} />
      )}
    </div>
  );
});

/** Where a key leads from one of `length`; undefined: it is none of ours. */
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

interface StretchTipProps {
  readonly bar: Bar;
  /** Of the lane, in pixels. */
  readonly width: number;
  readonly paints: ReadonlyMap<string, number>;
  readonly mayOpen: boolean;
}

/** Beside the bar that is pointed at. */
function StretchTip({ bar: { stretch, x, width: wide }, width, paints, mayOpen }: StretchTipProps) {
  const centre = Math.max(0, Math.min(width, x + wide / 2));
  const isLeft = centre < width / 2;
  const style = { '--at': `${isLeft ? centre : width - centre}px` } as CSSProperties;
  return (
    <div className="card tip" data-side={isLeft ? 'left' : 'right'} style={style} aria-hidden="true">
      <p className="tip-title">
        <Swatch paint={paints.get(workflowOf(stretch)) ?? OTHER} /> {whatOf(stretch)}
      </p>
      <p>{timeOf(stretch)}</p>
      <p>
        {clock(stretch.from)} to {stretch.outcome === 'running' ? 'now' : clock(stretch.to)},{' '}
        {OUTCOME_WORDS[stretch.outcome]}
      </p>
      {stretch.key !== null && <p>key {stretch.key}</p>}
      {stretch.job_id !== null && <p className="tip-id">{stretch.job_id}</p>}
      <p className="hint">{hintOf(stretch.job_id, mayOpen)}</p>
    </div>
  );
}

function hintOf(job: string | null, mayOpen: boolean): string {
  if (job === null) return 'Choose a shorter time to see each job.';
  return mayOpen ? 'Click, tap again or press Enter to open the job.' : 'Only its own key can open this job.';
}
