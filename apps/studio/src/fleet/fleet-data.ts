import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useFleet } from '../session.js';
import { instancesOf } from './instances.js';
import type { Picture } from './pause-consequences.js';
import type { Stretch } from './timeline/spans.js';

const NOW_MS = 2_000;
const TIMELINE_MS = 5_000;
/** So many are a megabyte about: where there are more, they are asked for less often. */
const STRETCHES = 4_000;
const HISTORY_MS = 15_000;

/** The fleet as it is, with what operators have halted. */
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
      return TIMELINE_MS * Math.max(1, all / STRETCHES);
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
