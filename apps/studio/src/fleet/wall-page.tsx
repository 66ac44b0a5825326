import { useEffect, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { useSize, useTheme, useTitle } from '../parts/hooks.js';
import '../styles/fleet.css';
import '../styles/wall.css';
import { paintsOf, Textures } from '../charts/paint.js';
import { clock, duration } from '../parts/format.js';
import { WallAlerts } from './alerts.js';
import { type LanesOfTime, useAlerts, usePicture } from './fleet-data.js';
import { StateBadge } from './instance-row.js';
import { foremost, type Instance } from './instances.js';
import { summaryOf } from './summary.js';
import { LaneBars } from './timeline/lane-bars.js';
import { Legend } from './timeline/legend.js';
import { barsOf, type Span, type Stretch, workflowsOf } from './timeline/spans.js';

const MINUTES = 60;
/** What was heard longer ago is told to be old. */
const STALE_MS = 15_000;

/** The fleet from across a room: nothing to click, and it goes on by itself when the API was away. */
export function WallPage() {
  useTitle('Wall');
  useTheme();
  useAwake();
  const now = useClock();
  const { picture, timeline, error } = usePicture(MINUTES);
  const { data: alerts } = useAlerts();
  const workflows = useMemo(() => workflowsOf([...timeline.byName.values()].flat()), [timeline]);
  const paints = useMemo(() => paintsOf(workflows), [workflows]);
  const isOld = error !== null || (picture !== undefined && now - picture.at > STALE_MS);
  return (
    <main className="wall">
      <Textures />
      <header className="wall-head">
        <h1>comfy-fleet</h1>
        <p className="wall-state" role="status" data-old={isOld || undefined}>
          {stateOf({ isOld, error, at: picture?.at, paused: picture?.status.paused ?? null })}
        </p>
        <time>{clock(now).slice(0, 5)}</time>
      </header>
      {picture !== undefined && (
        <>
          <Numbers {...summaryOf(picture.status, picture.instances)} />
          <div className="wall-body">
            <WallLanes instances={picture.instances} timeline={timeline} paints={paints} />
            <WallAlerts alerts={alerts?.alerts ?? []} now={now} />
          </div>
          <footer className="wall-foot">
            <Legend names={workflows} paints={paints} />
            <span className="wall-span">The last hour, now at the right</span>
            <Link className="wall-leave" href="/fleet" onClick={leaveFullScreen}>
              Leave the wall display
            </Link>
          </footer>
        </>
      )}
    </main>
  );
}

function leaveFullScreen() {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
}

interface Seen {
  readonly isOld: boolean;
  readonly error: Error | null;
  readonly at: number | undefined;
  readonly paused: { readonly since: string } | null;
}

function stateOf({ isOld, error, at, paused }: Seen): string {
  if (isOld)
    return at === undefined ? (error?.message ?? '') : `No answer since ${clock(at)}: showing the last known state`;
  return paused === null ? '' : `Paused since ${clock(paused.since)}`;
}

function Numbers({ waiting, running, up, instances, oldestSeconds, backlogSeconds }: ReturnType<typeof summaryOf>) {
  const numbers = [
    ['running', running.toLocaleString('en')],
    ['waiting', waiting.toLocaleString('en')],
    ['longest wait', oldestSeconds === undefined ? '–' : duration(oldestSeconds)],
    ['queued work', backlogSeconds === undefined ? '–' : duration(backlogSeconds)],
    ['instances up', `${up} of ${instances}`],
  ] as const;
  return (
    <dl className="wall-numbers">
      {numbers.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** More would be too thin to be seen: then those stand first with which something is wrong. */
const MOST = 10;

interface WallLanesProps {
  readonly instances: readonly Instance[];
  readonly timeline: LanesOfTime;
  readonly paints: ReadonlyMap<string, number>;
}

/** The last hour of as many instances as there is room for. */
export function WallLanes({ instances, timeline, paints }: WallLanesProps) {
  const span = { from: Date.parse(timeline.from), to: Date.parse(timeline.to) };
  const shown = foremost(instances, MOST);
  return (
    <section className="wall-lanes" aria-label="Instances">
      <ul>
        {shown.map((instance) => (
          <li key={instance.name} className="wall-row" data-state={instance.state}>
            <span className="wall-name">
              <bdi>{instance.name}</bdi>
            </span>
            <StateBadge state={instance.state} />
            <WallLane stretches={timeline.byName.get(instance.name) ?? []} span={span} paints={paints} />
          </li>
        ))}
      </ul>
      {shown.length < instances.length && <p>and {instances.length - shown.length} more instances</p>}
    </section>
  );
}

interface WallLaneProps {
  readonly stretches: readonly Stretch[];
  readonly span: Span;
  readonly paints: ReadonlyMap<string, number>;
}

function WallLane({ stretches, span, paints }: WallLaneProps) {
  const [ref, { width, height }] = useSize<HTMLDivElement>();
  return (
    <div ref={ref} className="lane">
      <LaneBars
        bars={barsOf(stretches, span, width)}
        width={width}
        height={height}
        ticks={[]}
        span={span}
        paints={paints}
        chosen={undefined}
      />
    </div>
  );
}

/** Keeps the screen on while the page is seen, where a browser lets it. */
export function useAwake(): void {
  useEffect(() => {
    let isGone = false;
    let lock: WakeLockSentinel | undefined;
    const ask = async () => {
      if (document.visibilityState !== 'visible') return;
      lock = await navigator.wakeLock?.request('screen').catch(() => undefined);
      if (isGone) await lock?.release();
    };
    void ask();
    // a browser takes it back when the page is hidden
    document.addEventListener('visibilitychange', ask);
    return () => {
      isGone = true;
      document.removeEventListener('visibilitychange', ask);
      void lock?.release();
    };
  }, []);
}

const SECOND_MS = 1_000;

/** The time, in ms since 1970, each second anew. */
export function useClock(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), SECOND_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
