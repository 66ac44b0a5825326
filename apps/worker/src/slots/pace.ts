/**
 * How much work is to wait in ComfyUI behind what executes: more than any pause of ours takes (a claim, a look, a
 * garbage collection, a slow disk under Redis), so that the GPU does not notice it.
 */
const AHEAD_MS = 250;
const MOST_AHEAD = 8;
/** What is assumed of an execution that has not said how far it is. */
const UNKNOWN_MS = 30_000;
/** A smaller part of the work tells nothing of the rest. */
const TELLING_FRACTION = 0.02;
/** Weight of the newest prompt in the pace. */
const NEWEST = 0.3;

interface Execution {
  readonly beganAt: number | undefined;
  readonly progress: { readonly fraction: number };
}

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

  /** What a prompt is expected to take. */
  get expectedMs(): number {
    return this.#ms ?? UNKNOWN_MS;
  }

  /**
   * How long what executes since `beganAt` (ms since 1970) is expected to go on: by how far it has come, else by what prompts
   * here take.
   */
  remainingMs(execution: Execution | undefined): number {
    if (execution?.beganAt === undefined) return this.expectedMs;
    const elapsed = Date.now() - execution.beganAt;
    const { fraction } = execution.progress;
    if (fraction >= TELLING_FRACTION) return (elapsed * (1 - fraction)) / fraction;
    return this.#ms === undefined ? UNKNOWN_MS : Math.max(0, this.#ms - elapsed);
  }

  /** How many prompts are to wait behind the one that executes: one, and more when they are short. */
  get ahead(): number {
    if (this.#ms === undefined) return 1;
    return Math.min(MOST_AHEAD, Math.max(1, Math.ceil(AHEAD_MS / Math.max(1, this.#ms))));
  }
}
