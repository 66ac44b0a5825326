import { useQuery } from '@tanstack/react-query';
import { useFleet } from '../session/session.js';

const NOW_MS = 2_000;
const TIMELINE_MS = 5_000;
/** So many are a megabyte about: where there are more, they are asked for less often. */
const STRETCHES = 4_000;
const HISTORY_MS = 15_000;

/** The fleet as it is, with what operators have halted. */
export function useFleetNow() {
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

export function useTimeline(minutes: number) {
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
