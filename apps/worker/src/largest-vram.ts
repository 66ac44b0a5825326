import type { WorkerAnnouncement } from '@comfy-fleet/contracts';

/** The most memory of any instance that is up, in bytes. */
export function largestVram(workers: readonly WorkerAnnouncement[]): number {
  const up = workers.flatMap(({ instances }) => instances).filter(({ state }) => state === 'up');
  return Math.max(0, ...up.map(({ vram }) => vram));
}
