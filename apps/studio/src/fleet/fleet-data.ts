import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useFleet } from '../session.js';
import { instancesOf } from './instances.js';
import type { FleetSnapshot } from './pause-consequences.js';
import type { Span } from './timeline/spans.js';

const NOW_MS = 2_000;
const TIMELINE_MS = 5_000;
/** About a megabyte. If there are more spans, we poll less often. */
const SPANS = 4_000;
const HISTORY_MS = 15_000;

/** The current state of the fleet, and what operators have paused or drained. */
function useFleetNow() {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['fleet', 'now'],
    queryFn: async ({ signal }) => {
      const [status, halts] = await Promise.all([fleet.status({ signal }), fleet.halts.get({ signal })]);
      return { status, halts, at: Date.now() };
    },
    refetchInterval: NOW_MS,
  });
}

function useTimeline(minutes: number) {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['fleet', 'timeline', minutes],
    queryFn: ({ signal }) => fleet.timeline({ minutes, signal }),
    refetchInterval: ({ state }) => {
      const all = state.data?.instances.reduce((sum, { stretches }) => sum + stretches.length, 0) ?? 0;
      return TIMELINE_MS * Math.max(1, all / SPANS);
    },
    placeholderData: (last) => last,
  });
}

export function useHistory() {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['fleet', 'history'],
    queryFn: ({ signal }) => fleet.history({ signal }),
    refetchInterval: HISTORY_MS,
  });
}

export function useAlerts() {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['fleet', 'alerts'],
    queryFn: ({ signal }) => fleet.alerts({ signal }),
    refetchInterval: TIMELINE_MS,
  });
}

/** Stands in until the timeline is loaded. */
const NO_TIMELINE = { from: new Date(0).toISOString(), to: new Date(1).toISOString(), instances: [] };

export interface TimelineData {
  readonly from: string;
  readonly to: string;
  /** The spans of each instance. */
  readonly byName: ReadonlyMap<string, readonly Span[]>;
  /** Instances whose history does not reach back to the start. */
  readonly cut: ReadonlySet<string>;
}

/** The current state and the timeline of the fleet, with one common list of instances. */
export function useFleetSnapshot(minutes: number) {
  const now = useFleetNow();
  const { data: past = NO_TIMELINE, error: timelineError } = useTimeline(minutes);
  const timeline = useMemo<TimelineData>(
    () => ({
      from: past.from,
      to: past.to,
      byName: new Map(past.instances.map(({ instance, stretches }) => [instance, stretches])),
      cut: new Set(past.instances.filter(({ cut }) => cut).map(({ instance }) => instance)),
    }),
    [past],
  );
  const snapshot = useMemo<(FleetSnapshot & { readonly at: number }) | undefined>(() => {
    if (now.data === undefined) return undefined;
    const { status, halts, at } = now.data;
    return { status, halts, at, instances: instancesOf(status, halts, [...timeline.byName.keys()]) };
  }, [now.data, timeline]);
  return { snapshot, timeline, error: now.error, timelineError };
}
