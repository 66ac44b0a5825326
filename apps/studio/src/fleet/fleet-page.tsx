import { useState } from 'react';
import { Link } from 'wouter';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/hooks.js';
import '../styles/fleet.css';
import { Textures } from '../charts/paint.js';
import { clock, count, duration } from '../parts/format.js';
import { Alerts } from './alerts.js';
import { usePicture } from './fleet-data.js';
import { Charts } from './history-charts.js';
import { HaltButton } from './pause-button.js';
import type { Picture } from './pause-consequences.js';
import { ByKey, ByModel } from './queue.js';
import { summaryOf } from './summary.js';
import { type Minutes, Timeline } from './timeline/timeline.js';

/** The fleet, for operators: what it does, did and waits for, and the brakes. */
export function FleetPage() {
  useTitle('Fleet');
  const [minutes, setMinutes] = useState<Minutes>(60);
  const { picture, timeline, error, timelineError } = usePicture(minutes);
  return (
    <div className="fleet">
      <Textures />
      <div className="fleet-head">
        <div>
          <h1>Fleet</h1>
          {picture !== undefined && <Sentence picture={picture} />}
        </div>
        {picture !== undefined && (
          <div className="fleet-buttons">
            <HaltButton target={{ kind: 'fleet' }} isHalted={picture.status.paused !== null} picture={picture} />
            <Link className="button" href="/fleet/wall" onClick={fillScreen}>
              Wall display
            </Link>
          </div>
        )}
      </div>
      {error !== null && <Fault error={error} />}
      {picture === undefined ? (
        <div className="card panel fleet-loading" aria-busy={error === null} />
      ) : (
        <>
          {picture.status.paused !== null && (
            <p className="halted" role="status">
              The whole fleet is paused since {clock(picture.status.paused.since)} by {picture.status.paused.by}. New
              jobs are accepted, but wait.
            </p>
          )}
          <Alerts notes={picture.status.notes} />
          <Timeline
            picture={picture}
            timeline={timeline}
            minutes={minutes}
            onMinutes={setMinutes}
            error={timelineError}
            at={picture.at}
          />
          <Pools picture={picture} />
          <div className="fleet-columns">
            <ByKey shares={picture.status.shares} />
            <ByModel pools={picture.status.pools} />
          </div>
          <Charts />
        </>
      )}
    </div>
  );
}

function Sentence({ picture }: { readonly picture: Picture }) {
  const { waiting, running, up, instances, oldestSeconds, backlogSeconds } = summaryOf(
    picture.status,
    picture.instances,
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

/** Where a browser lets it; the wall is as large as its window anyway. */
function fillScreen() {
  document.documentElement.requestFullscreen?.().catch(() => undefined);
}

/** Each pool: what waits, what takes it, and its pause. */
export function Pools({ picture }: { readonly picture: Picture }) {
  const { status, halts } = picture;
  const paused = new Map(halts.pools.map((halt) => [halt.name, halt]));
  return (
    <section className="card panel" aria-labelledby="pools">
      <h2 id="pools">Pools</h2>
      <ul className="pools">
        {status.pools.map(({ name, waiting, running, instances, backlog_seconds, mismatches }) => {
          const halt = paused.get(name);
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
                {halt !== undefined && (
                  <p className="instance-reason">
                    Paused since {clock(halt.since)} by {halt.by}
                  </p>
                )}
                {mismatches.map(({ instance, node, input, lacks }) => (
                  <p key={`${instance} ${node} ${input}`} className="instance-reason">
                    {instance} is not like the others: it lacks{' '}
                    {lacks.length === 0 ? node : `${lacks.join(', ')} (${node})`}
                  </p>
                ))}
              </div>
              <HaltButton target={{ kind: 'pool', name }} isHalted={halt !== undefined} picture={picture} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
