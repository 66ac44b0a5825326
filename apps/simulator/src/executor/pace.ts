import type { RunControl } from './control.js';

const MOST_OWED_MS = 50;

/**
 * Gives every prompt its least time. Timers fire up to a millisecond late, so what one prompt took too long the next is
 * spared: over many prompts 2.8 ms are 2.8 ms.
 */
export class Pace {
  private owed = 0;

  async settle(elapsedMs: number, leastMs: number, control: RunControl): Promise<void> {
    const due = leastMs - elapsedMs + this.owed;
    const began = performance.now();
    if (leastMs > 0 && due >= 1) await control.pass(due, true);
    const left = leastMs > 0 ? due - (performance.now() - began) : 0;
    this.owed = Math.max(-MOST_OWED_MS, Math.min(MOST_OWED_MS, left));
  }
}
