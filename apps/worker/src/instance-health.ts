import type { InstanceAnnouncement } from '@comfy-fleet/contracts';

export type InstanceState = InstanceAnnouncement['state'];

/** Failures in a row after which an instance counts as down; one lost packet should not close a lane. */
const FAILURES_TO_DOWN = 3;

/** Whether an instance can be given work. Every call to it reports here, and a probe when nothing else does. */
export class InstanceHealth {
  #state: InstanceState = 'unknown';
  #since = Date.now();
  #reason: string | null = null;
  #failures = 0;
  readonly #onChange: (health: InstanceHealth) => void;

  constructor(onChange: (health: InstanceHealth) => void) {
    this.#onChange = onChange;
  }

  get state(): InstanceState {
    return this.#state;
  }

  /** ms since 1970. */
  get since(): number {
    return this.#since;
  }

  get reason(): string | null {
    return this.#reason;
  }

  reached(): void {
    this.#failures = 0;
    this.#become('up', null);
  }

  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures >= FAILURES_TO_DOWN || this.#state !== 'up') this.#become('down', reason);
  }

  #become(state: InstanceState, reason: string | null): void {
    this.#reason = reason;
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
    this.#onChange(this);
  }
}
