import { useSize } from '../../parts/use-size.js';
import { StateBadge } from '../instance-row.js';
import { foremost, type Instance } from '../instances.js';
import { LaneBars } from '../timeline/lane-bars.js';
import { barsOf, type Span, type Stretch } from '../timeline/stretches.js';
import type { LanesOfTime } from '../use-picture.js';

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
