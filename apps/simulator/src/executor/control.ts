import { setImmediate as immediate } from 'node:timers/promises';

/** POST /interrupt interrupted the running prompt. */
export class InterruptedError extends Error {}

/** The run ends without any report, because the simulator closes, "crashes" or loses the prompt. */
export class AbandonedError extends Error {}

/** Stops a running prompt from outside, and times its waits. */
export class RunControl {
  readonly promptId: string;
  private interrupted = false;
  private abandoned = false;
  private wake: (() => void) | undefined;

  constructor(promptId: string) {
    this.promptId = promptId;
  }

  interrupt(): void {
    this.interrupted = true;
    this.wake?.();
  }

  abandon(): void {
    this.abandoned = true;
    this.wake?.();
  }

  get isInterrupted(): boolean {
    return this.interrupted;
  }

  /** Throws if the run was interrupted or abandoned. */
  check(): void {
    if (this.abandoned) throw new AbandonedError();
    if (this.interrupted) throw new InterruptedError();
  }

  /**
   * Waits `ms` milliseconds. An interrupt shortens that only if `interruptible`, and never throws an InterruptedError.
   */
  async wait(ms: number, interruptible: boolean): Promise<void> {
    if (ms <= 0) await immediate();
    else {
      const end = performance.now() + ms;
      for (
        let left = ms;
        left > 0 && !this.abandoned && !(interruptible && this.interrupted);
        left = end - performance.now()
      ) {
        await this.sleep(left);
      }
    }
    if (this.abandoned) throw new AbandonedError();
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, 2_000_000_000));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const MOST_OWED_MS = 50;
/** Prompts with a shorter gap count as back to back, and the gap counts as part of the later one. */
const BACK_TO_BACK_MS = 5;

/**
 * Makes every prompt take its minimum duration. Timers fire up to a millisecond late, so each delay is deducted from
 * the next prompt: on average, 2.8 ms are 2.8 ms.
 */
export class Pace {
  private owed = 0;
  private settledAt = Number.NEGATIVE_INFINITY;

  /** Waits until a prompt that began at `beganAt` (of performance.now) has taken `leastMs`. */
  async settle(beganAt: number, leastMs: number, control: RunControl): Promise<void> {
    const start = beganAt - this.settledAt < BACK_TO_BACK_MS ? this.settledAt : beganAt;
    const arrived = performance.now();
    const due = leastMs - (arrived - start) + this.owed;
    if (leastMs > 0 && due >= 1) await control.wait(due, true);
    this.settledAt = performance.now();
    const left = leastMs > 0 ? due - (this.settledAt - arrived) : 0;
    this.owed = Math.max(-MOST_OWED_MS, Math.min(MOST_OWED_MS, left));
  }
}
