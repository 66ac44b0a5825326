import type { RunControl } from './control.js';

const MOST_OWED_MS = 50;
/** Prompts closer than this follow each other without a pause: what lies between them is part of the later one. */
const BACK_TO_BACK_MS = 5;

/**
 * Gives every prompt its least time. Timers fire up to a millisecond late, so what one prompt took too long the next is
 * spared: over many prompts 2.8 ms are 2.8 ms.
 */
export class Pace {
  private owed = 0;
  private settledAt = Number.NEGATIVE_INFINITY;

  /** Waits until a prompt that began at `beganAt` (milliseconds of performance.now) has taken `leastMs`. */
  async settle(beganAt: number, leastMs: number, control: RunControl): Promise<void> {
    const start = beganAt - this.settledAt < BACK_TO_BACK_MS ? this.settledAt : beganAt;
    const arrived = performance.now();
    const due = leastMs - (arrived - start) + this.owed;
    if (leastMs > 0 && due >= 1) await control.pass(due, true);
    this.settledAt = performance.now();
    const left = leastMs > 0 ? due - (this.settledAt - arrived) : 0;
    this.owed = Math.max(-MOST_OWED_MS, Math.min(MOST_OWED_MS, left));
  }
}
