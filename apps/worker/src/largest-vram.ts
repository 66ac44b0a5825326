import type { WorkerAnnouncement } from '@comfy-fleet/contracts';

/** The most memory of any instance of the pool that is up and not drained, in bytes. */
export function largestVram(workers: readonly WorkerAnnouncement[], pool: string): number {
  const serving = workers.filter(({ pools }) => pools.includes(pool));
  const up = serving.flatMap(({ instances }) => instances).filter(({ state, drains }) => state === 'up' && !drains);
  return Math.max(0, ...up.map(({ vram }) => vram));
}
