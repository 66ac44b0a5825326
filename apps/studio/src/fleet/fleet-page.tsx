import { useState } from 'react';
import { Link } from 'wouter';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/use-title.js';
import '../styles/fleet.css';
import { Textures } from '../charts/textures.js';
import { Alerts } from './alerts.js';
import { Charts } from './charts/charts.js';
import type { Picture } from './halts/consequences.js';
import { HaltButton } from './halts/halt-button.js';
import { Pools } from './pools.js';
import { ByKey } from './queue/by-key.js';
import { ByModel } from './queue/by-model.js';
import { summaryOf } from './summary.js';
import { type Minutes, Timeline } from './timeline/timeline.js';
import { usePicture } from './use-picture.js';
import { clock, count, duration } from './words.js';

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
