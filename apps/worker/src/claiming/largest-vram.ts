import type { WorkerAnnouncement } from '@comfy-fleet/contracts';
import { instancesServing } from '@comfy-fleet/jobs';

/** The most memory of any instance of the pool that is up or rests, and is not drained, in bytes. */
export function largestVram(workers: readonly WorkerAnnouncement[], pool: string): number {
  const up = instancesServing(workers, pool).filter(
    ({ state, drains }) => (state === 'up' || state === 'resting') && !drains,
  );
  return Math.max(0, ...up.map(({ vram }) => vram));
}
