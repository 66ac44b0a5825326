import type { Outage } from '../stack/trial-process.js';
import type { Span } from './spans.js';

/** A life shorter than this is not long enough to take up what the dead one had, in ms. */
const TAKEN_UP_MS = 1000;

/** When a process was away: from its death until its successor was ready and lived on. */
export function absences(outages: readonly Outage[], process: string, now: number): Span[] {
  const merged: { from: number; to: number }[] = [];
  for (const { process: name, killedAt, upAt = now } of outages) {
    if (name !== process) continue;
    const last = merged.at(-1);
    if (last !== undefined && killedAt - last.to < TAKEN_UP_MS) last.to = upAt;
    else merged.push({ from: killedAt, to: upAt });
  }
  return merged;
}
