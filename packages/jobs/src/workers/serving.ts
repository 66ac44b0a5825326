import { type InstanceAnnouncement, isInService, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import type { Halts } from './halts.js';

/** The instances that take jobs of the pool, whatever their state. */
export function instancesServing(workers: readonly WorkerAnnouncement[], pool: string): InstanceAnnouncement[] {
  return workers.flatMap(({ instances }) => instances.filter(({ pools }) => pools.includes(pool)));
}

/** Instances, of one pool or of all, that are given work: up or occupied, not drained, and their workers are not stopping. */
export function instancesAtWork(workers: readonly WorkerAnnouncement[], halts: Halts, pool?: string) {
  return workers
    .filter(({ draining }) => !draining)
    .flatMap(({ instances }) => instances)
    .filter(({ pools }) => pool === undefined || pools.includes(pool))
    .filter((instance) => isInService(instance) && !halts.instances.has(instance.name));
}
