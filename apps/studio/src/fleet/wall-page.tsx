import { useEffect, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { assignPaints, Textures } from '../charts/paint.js';
import { clock, duration } from '../parts/format.js';
import { useSize, useTheme, useTitle } from '../parts/hooks.js';
import { WallAlerts } from './alerts.js';
import { type TimelineData, useAlerts, useFleetSnapshot } from './fleet-data.js';
import { StateBadge } from './instance-row.js';
import { type Instance, mostUrgent } from './instances.js';
import { summaryOf } from './summary.js';
import { LaneBars } from './timeline/lane-bars.js';
import { Legend } from './timeline/legend.js';
import { barsOf, type Span, type TimeRange, workflowsOf } from './timeline/spans.js';

const MINUTES = 60;
/** Data older than this is marked as old. */
const STALE_MS = 15_000;

/** The fleet on a wall display: large, without controls, and it recovers by itself after the API was down. */
export function WallPage() {
  useTitle('Wall');
  useTheme();
  useAwake();
  const now = useClock();
  const { snapshot, timeline, error } = useFleetSnapshot(MINUTES);
  const { data: alerts } = useAlerts();
  const workflows = useMemo(() => workflowsOf([...timeline.byName.values()].flat()), [timeline]);
  const paints = useMemo(() => assignPaints(workflows), [workflows]);
  const isOld = error !== null || (snapshot !== undefined && now - snapshot.at > STALE_MS);
  return (
    <main className="wall">
      <Textures />
      <header className="wall-head">
        <h1>comfy-fleet</h1>
        <p className="wall-state" role="status" data-old={isOld || undefined}>
          {stateOf({ isOld, error, at: snapshot?.at, paused: snapshot?.status.paused ?? null })}
        </p>
        <time>{clock(now).slice(0, 5)}</time>
      </header>
      {snapshot !== undefined && (
        <>
          <Numbers {...summaryOf(snapshot.status, snapshot.instances)} />
          <div className="wall-body">
            <WallLanes instances={snapshot.instances} timeline={timeline} paints={paints} />
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

/** More lanes would be too thin, so instances in trouble come first. */
const MOST = 10;

interface WallLanesProps {
  readonly instances: readonly Instance[];
  readonly timeline: TimelineData;
  readonly paints: ReadonlyMap<string, number>;
}

/** The last hour of the instances, as many as fit. */
export function WallLanes({ instances, timeline, paints }: WallLanesProps) {
  const range = { from: Date.parse(timeline.from), to: Date.parse(timeline.to) };
  const shown = mostUrgent(instances, MOST);
  return (
    <section className="wall-lanes" aria-label="Instances">
      <ul>
        {shown.map((instance) => (
          <li key={instance.name} className="wall-row" data-state={instance.state}>
            <span className="wall-name">
              <bdi>{instance.name}</bdi>
            </span>
            <StateBadge state={instance.state} />
            <WallLane spans={timeline.byName.get(instance.name) ?? []} range={range} paints={paints} />
          </li>
        ))}
      </ul>
      {shown.length < instances.length && <p>and {instances.length - shown.length} more instances</p>}
    </section>
  );
}

interface WallLaneProps {
  readonly spans: readonly Span[];
  readonly range: TimeRange;
  readonly paints: ReadonlyMap<string, number>;
}

function WallLane({ spans, range, paints }: WallLaneProps) {
  const [ref, { width, height }] = useSize<HTMLDivElement>();
  return (
    <div ref={ref} className="lane">
      <LaneBars
        bars={barsOf(spans, range, width)}
        width={width}
        height={height}
        ticks={[]}
        range={range}
        paints={paints}
        chosen={undefined}
      />
    </div>
  );
}

/** Keeps the screen on while the page is visible, if the browser allows it. */
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
    // the browser releases the lock when the page is hidden
    document.addEventListener('visibilitychange', ask);
    return () => {
      isGone = true;
      document.removeEventListener('visibilitychange', ask);
      void lock?.release();
    };
  }, []);
}

const SECOND_MS = 1_000;

/** The current time in ms since 1970, updated every second. */
export function useClock(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), SECOND_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
