import type { InstanceAnnouncement, WorkerAnnouncement } from '@comfy-fleet/contracts';

/** The instances that take jobs of the pool, whatever their state. */
export function instancesServing(workers: readonly WorkerAnnouncement[], pool: string): InstanceAnnouncement[] {
  return workers.flatMap(({ instances }) => instances.filter(({ pools }) => pools.includes(pool)));
}
