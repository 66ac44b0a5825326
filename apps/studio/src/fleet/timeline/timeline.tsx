import { useMemo, useState } from 'react';
import { assignPaints } from '../../charts/paint.js';
import { Fault } from '../../parts/fault.js';
import type { TimelineData } from '../fleet-data.js';
import { InstanceRow } from '../instance-row.js';
import { mostUrgent, STATE_WORDS } from '../instances.js';
import type { FleetSnapshot } from '../pause-consequences.js';
import { LANE_HINT } from './lane.js';
import { Ruler } from './lane-bars.js';
import { Legend, Marks } from './legend.js';
import { type Span, workflowsOf } from './spans.js';

const MINUTES = [10, 30, 60] as const;
export type Minutes = (typeof MINUTES)[number];
/** How many instances are shown at first; if there are more, they can be searched. */
const MANY = 12;

const NOTHING: readonly Span[] = [];

interface TimelineProps {
  readonly snapshot: FleetSnapshot;
  readonly timeline: TimelineData;
  readonly minutes: Minutes;
  readonly onMinutes: (minutes: Minutes) => void;
  readonly error: Error | null;
  readonly at: number;
}

/** All instances with their timelines. */
export function Timeline({ snapshot, timeline, minutes, onMinutes, error, at }: TimelineProps) {
  const [wanted, setWanted] = useState('');
  const { instances } = snapshot;
  const [isWhole, setWhole] = useState(false);
  const found = instances.filter(({ name, state }) => `${name} ${STATE_WORDS[state]}`.includes(wanted.trim()));
  const shown = isWhole ? found : mostUrgent(found, MANY);
  const range = useMemo(() => ({ from: Date.parse(timeline.from), to: Date.parse(timeline.to) }), [timeline]);
  const workflows = useMemo(() => workflowsOf([...timeline.byName.values()].flat()), [timeline]);
  const paints = useMemo(() => assignPaints(workflows), [workflows]);
  return (
    <section className="card panel" aria-labelledby="instances">
      <div className="panel-head">
        <h2 id="instances">Instances</h2>
        {instances.length > MANY && (
          <input
            type="search"
            className="find"
            aria-label="Find instances"
            placeholder="name or state"
            value={wanted}
            onChange={(event) => setWanted(event.target.value)}
          />
        )}
        <fieldset className="spans">
          <legend className="sr-only">How far back</legend>
          {MINUTES.map((one) => (
            <button key={one} type="button" aria-pressed={one === minutes} onClick={() => onMinutes(one)}>
              {one} min
            </button>
          ))}
        </fieldset>
      </div>
      {error !== null && <Fault error={error} />}
      {instances.length === 0 ? (
        <p className="empty">No worker is running. Start one with the address of a ComfyUI to see its instance here.</p>
      ) : (
        <>
          <div className="instance instance-ruler">
            <Ruler range={range} />
          </div>
          <ul className="instances">
            {shown.map((instance) => (
              <InstanceRow
                key={instance.name}
                instance={instance}
                spans={timeline.byName.get(instance.name) ?? NOTHING}
                isCut={timeline.cut.has(instance.name)}
                range={range}
                paints={paints}
                snapshot={snapshot}
                at={at}
              />
            ))}
          </ul>
          {found.length > MANY && (
            <button type="button" className="quiet" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
              {isWhole ? `Show ${MANY}` : `Show all ${found.length}`}
            </button>
          )}
          {shown.length === 0 && <p className="empty">No instance matches.</p>}
          <div className="legends">
            <Legend names={workflows} paints={paints} />
            <Marks />
          </div>
          <p id={LANE_HINT} className="hint">
            Point at a bar, or move along a row with the arrow keys, to see the job; Enter opens it.
          </p>
        </>
      )}
    </section>
  );
}
