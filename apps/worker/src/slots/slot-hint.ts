import type { JobRecord } from '@comfy-fleet/jobs';

/** Called when the hint begins to execute and when it ends. */
interface Listeners {
  readonly began: (record: JobRecord, at: number) => void;
  readonly ended: (at: number) => void;
}

/** The hint that an instance has; it has at most one at a time. Times are by performance.now(). */
export class SlotHint {
  readonly #listeners: Listeners;
  #current: { readonly promptId: string; readonly submittedAt: number; readonly isRunning: boolean } | undefined;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(listeners: Listeners) {
    this.#listeners = listeners;
  }

  get isThere(): boolean {
    return this.#current !== undefined;
  }

  get isRunning(): boolean {
    return this.#current?.isRunning === true;
  }

  submitted(promptId: string): void {
    this.#current = { promptId, submittedAt: performance.now(), isRunning: false };
  }

  /** The hint before the prompt of this job began to execute at `at`. */
  began(promptId: string, record: JobRecord, at: number): void {
    if (this.#current?.promptId !== promptId || this.#current.isRunning) return;
    this.#current = { ...this.#current, isRunning: true };
    this.#listeners.began(record, at);
  }

  /** May be called again when the next hint was already submitted. */
  ended(promptId: string, at: number): void {
    if (this.#current?.promptId !== promptId) return;
    const { isRunning } = this.#current;
    this.#current = undefined;
    this.#endedAt = at;
    if (isRunning) this.#listeners.ended(at);
  }

  /** Whether a hint is ahead of a prompt that was submitted at this time, or has not been submitted (undefined). */
  isBefore(submittedAt = Number.POSITIVE_INFINITY): boolean {
    return this.#current !== undefined && this.#current.submittedAt < submittedAt;
  }

  /** Since when no hint has been ahead of a prompt that was submitted at this time; undefined while one is. */
  awaySince(submittedAt: number): number | undefined {
    return this.isBefore(submittedAt) ? undefined : Math.max(submittedAt, this.#endedAt);
  }
}
