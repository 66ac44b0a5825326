import type { KeyShare } from './shares.js';

/** At most so many: half of them those with most GPU time, the others those that wait longest; most GPU time first. */
export function foremost(shares: readonly KeyShare[], most: number): KeyShare[] {
  const byTime = [...shares].sort((a, b) => b.gpuMsHour - a.gpuMsHour || b.oldestWaitMs - a.oldestWaitMs);
  const half = Math.ceil(most / 2);
  const longest = byTime.slice(half).sort((a, b) => b.oldestWaitMs - a.oldestWaitMs);
  const shown = new Set([...byTime.slice(0, half), ...longest.slice(0, most - half)]);
  return byTime.filter((share) => shown.has(share));
}
