import type { Lod, TerminalStatus } from '@comfy-fleet/contracts';
import { endedBetween, type Sample } from '../history/sample.js';

/** How many jobs of a level of detail ended like this within so many seconds of the newest sample, as far as samples go. */
export function endedWithin(samples: readonly Sample[], seconds: number, status: TerminalStatus, lod: Lod): number {
  const [newest] = samples;
  if (newest === undefined) return 0;
  const oldest = samples.findLast(({ at }) => at >= newest.at - seconds * 1000) ?? newest;
  return endedBetween(oldest, newest, status, [lod]);
}
