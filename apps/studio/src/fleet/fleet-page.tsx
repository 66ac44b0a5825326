import { useState } from 'react';
import { Link } from 'wouter';
import { Textures } from '../charts/paint.js';
import { Fault } from '../parts/fault.js';
import { clock, count, duration } from '../parts/format.js';
import { useTitle } from '../parts/hooks.js';
import { Alerts } from './alerts.js';
import { useFleetSnapshot } from './fleet-data.js';
import { Charts } from './history-charts.js';
import { PauseButton } from './pause-button.js';
import type { FleetSnapshot } from './pause-consequences.js';
import { ByKey, ByModel } from './queue.js';
import { summaryOf } from './summary.js';
import { type Minutes, Timeline } from './timeline/timeline.js';

/** The fleet for operators: its state, history and queue, and buttons to pause and drain. */
export function FleetPage() {
  useTitle('Fleet');
  const [minutes, setMinutes] = useState<Minutes>(60);
  const { snapshot, timeline, error, timelineError } = useFleetSnapshot(minutes);
  return (
    <div className="fleet">
      <Textures />
      <div className="fleet-head">
        <div>
          <h1>Fleet</h1>
          {snapshot !== undefined && <Sentence snapshot={snapshot} />}
        </div>
        {snapshot !== undefined && (
          <div className="fleet-buttons">
            <PauseButton target={{ kind: 'fleet' }} isPaused={snapshot.status.paused !== null} snapshot={snapshot} />
            <Link className="button" href="/fleet/wall" onClick={fillScreen}>
              Wall display
            </Link>
          </div>
        )}
      </div>
      {error !== null && <Fault error={error} />}
      {snapshot === undefined ? (
        <div className="card panel fleet-loading" aria-busy={error === null} />
      ) : (
        <>
          {snapshot.status.paused !== null && (
            <p className="paused" role="status">
              The whole fleet has been paused since {clock(snapshot.status.paused.since)} by {snapshot.status.paused.by}
              . New jobs are accepted, but wait.
            </p>
          )}
          <Alerts notes={snapshot.status.notes} />
          <Timeline
            snapshot={snapshot}
            timeline={timeline}
            minutes={minutes}
            onMinutes={setMinutes}
            error={timelineError}
            at={snapshot.at}
          />
          <Pools snapshot={snapshot} />
          <div className="fleet-columns">
            <ByKey shares={snapshot.status.shares} />
            <ByModel pools={snapshot.status.pools} />
          </div>
          <Charts />
        </>
      )}
    </div>
  );
}

function Sentence({ snapshot }: { readonly snapshot: FleetSnapshot }) {
  const { waiting, running, up, instances, oldestSeconds, backlogSeconds } = summaryOf(
    snapshot.status,
    snapshot.instances,
  );
  return (
    <p className="fleet-sentence">
      {up} of {count(instances, 'instance')} {instances === 1 ? 'is' : 'are'} up.{' '}
      {count(running, 'job runs', 'jobs run')}, {count(waiting, 'waits', 'wait')}
      {oldestSeconds === undefined ? '' : `, the oldest for ${duration(oldestSeconds)}`}
      {backlogSeconds === undefined ? '' : `: about ${duration(backlogSeconds)} of work`}.
    </p>
  );
}

/** Enters full screen if the browser allows it; the wall fills its window anyway. */
function fillScreen() {
  document.documentElement.requestFullscreen?.().catch(() => undefined);
}

/** Each pool with its waiting jobs, its instances, and a button to pause it. */
export function Pools({ snapshot }: { readonly snapshot: FleetSnapshot }) {
  const { status, halts } = snapshot;
  const paused = new Map(halts.pools.map((pause) => [pause.name, pause]));
  return (
    <section className="card panel" aria-labelledby="pools">
      <h2 id="pools">Pools</h2>
      <ul className="pools">
        {status.pools.map(({ name, waiting, running, instances, backlog_seconds }) => {
          const pause = paused.get(name);
          return (
            <li key={name} className="pool">
              <div>
                <h3>{name}</h3>
                <p className="hint">
                  {count(waiting, 'waits', 'wait')}, {count(running, 'runs', 'run')}; {count(instances, 'instance')} up
                  {backlog_seconds === null || backlog_seconds === 0
                    ? ''
                    : `; about ${duration(backlog_seconds)} of work`}
                </p>
                {pause !== undefined && (
                  <p className="instance-reason">
                    Paused since {clock(pause.since)} by {pause.by}
                  </p>
                )}
              </div>
              <PauseButton target={{ kind: 'pool', name }} isPaused={pause !== undefined} snapshot={snapshot} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
