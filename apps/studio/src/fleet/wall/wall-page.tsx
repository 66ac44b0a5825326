import { useMemo } from 'react';
import { Link } from 'wouter';
import { useTitle } from '../../parts/use-title.js';
import { useTheme } from '../../shell/theme.js';
import '../../styles/fleet.css';
import '../../styles/wall.css';
import { Textures } from '../../charts/textures.js';
import { summaryOf } from '../summary.js';
import { Legend } from '../timeline/legend.js';
import { paintsOf } from '../timeline/paints.js';
import { workflowsOf } from '../timeline/stretches.js';
import { useAlerts } from '../use-fleet-data.js';
import { usePicture } from '../use-picture.js';
import { clock, duration } from '../words.js';
import { useAwake } from './use-awake.js';
import { useClock } from './use-clock.js';
import { WallAlerts } from './wall-alerts.js';
import { WallLanes } from './wall-lanes.js';

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
