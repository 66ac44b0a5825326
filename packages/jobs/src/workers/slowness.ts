import type { WorkerAnnouncement } from '@comfy-fleet/contracts';
import { median } from './learned-times.js';

/** Below this time, differences come from the network and bookkeeping. */
const SHORTEST_MS = 20;

/**
 * How many times as long as its peers each instance takes for similar work: for each signature that it shares with
 * others, the ratio of its time to the median of theirs; then the median of these ratios. Instances that cannot be
 * compared are left out.
 */
export function compareInstances(
  workers: readonly Pick<WorkerAnnouncement, 'instances'>[],
): ReadonlyMap<string, number> {
  const instances = workers.flatMap((worker) => worker.instances);
  const times = new Map<string, number[]>();
  for (const { paces = {} } of instances) {
    for (const [signature, ms] of Object.entries(paces)) {
      const known = times.get(signature) ?? [];
      known.push(Math.max(SHORTEST_MS, ms));
      times.set(signature, known);
    }
  }
  for (const known of times.values()) known.sort((a, b) => a - b);
  const slowness = instances.flatMap(({ name, paces = {} }) => {
    const ratios = Object.entries(paces).flatMap(([signature, ms]) => {
      const own = Math.max(SHORTEST_MS, ms);
      const others = medianOfOthers(times.get(signature) ?? [], own);
      return others === undefined ? [] : [own / others];
    });
    return ratios.length === 0 ? [] : [[name, median(ratios)] as const];
  });
  return new Map(slowness);
}

/** The median of sorted numbers without one of them. */
function medianOfOthers(sorted: readonly number[], own: number): number | undefined {
  const middle = Math.floor((sorted.length - 2) / 2);
  return sorted.length < 2 ? undefined : sorted[middle < sorted.indexOf(own) ? middle : middle + 1];
}
