import { useMemo } from 'react';
import type { Picture } from './halts/consequences.js';
import { instancesOf } from './instances.js';
import type { Stretch } from './timeline/stretches.js';
import { useFleetNow, useTimeline } from './use-fleet-data.js';

/** When nothing is known of what ran. */
const NO_TIMELINE = { from: new Date(0).toISOString(), to: new Date(1).toISOString(), instances: [] };

export interface LanesOfTime {
  readonly from: string;
  readonly to: string;
  /** What ran, by instance. */
  readonly byName: ReadonlyMap<string, readonly Stretch[]>;
  /** Instances of which what they ran at the beginning is not known any more. */
  readonly cut: ReadonlySet<string>;
}

/** The fleet as it is and what it ran, of one mind about which instances there are. */
export function usePicture(minutes: number) {
  const now = useFleetNow();
  const { data: past = NO_TIMELINE, error: timelineError } = useTimeline(minutes);
  const timeline = useMemo<LanesOfTime>(
    () => ({
      from: past.from,
      to: past.to,
      byName: new Map(past.instances.map(({ instance, stretches }) => [instance, stretches])),
      cut: new Set(past.instances.filter(({ cut }) => cut).map(({ instance }) => instance)),
    }),
    [past],
  );
  const picture = useMemo<(Picture & { readonly at: number }) | undefined>(() => {
    if (now.data === undefined) return undefined;
    const { status, halts, at } = now.data;
    return { status, halts, at, instances: instancesOf(status, halts, [...timeline.byName.keys()]) };
  }, [now.data, timeline]);
  return { picture, timeline, error: now.error, timelineError };
}
