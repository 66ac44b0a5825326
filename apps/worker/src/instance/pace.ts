/**
 * How much work is to wait in ComfyUI behind what executes: more than any pause of ours takes (a claim, a look, a
 * garbage collection, a slow disk under Redis), so that the GPU does not notice it.
 */
const AHEAD_MS = 250;
const MOST_AHEAD = 8;
/** Weight of the newest prompt in the pace. */
const NEWEST = 0.3;

/** How fast an instance executes its prompts, one after the other. */
export class Pace {
  #ms: number | undefined;
  #lastEnd = 0;

  /**
   * A prompt that began at `began` has ended now; ms of one clock. One that waited behind another began when that
   * ended.
   */
  ended(began: number, now: number): void {
    const ms = now - Math.max(began, this.#lastEnd);
    this.#lastEnd = now;
    this.#ms = this.#ms === undefined ? ms : this.#ms + NEWEST * (ms - this.#ms);
  }

  /** ms a prompt; undefined before the first. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** How many prompts are to wait behind the one that executes: one, and more when they are short. */
  get ahead(): number {
    if (this.#ms === undefined) return 1;
    return Math.min(MOST_AHEAD, Math.max(1, Math.ceil(AHEAD_MS / Math.max(1, this.#ms))));
  }
}
