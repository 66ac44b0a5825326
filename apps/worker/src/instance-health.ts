import type { InstanceAnnouncement } from '@comfy-fleet/contracts';

export type InstanceState = InstanceAnnouncement['state'];

/** Failures in a row after which an instance counts as down; one lost packet should not close a lane. */
const FAILURES_TO_DOWN = 3;

/** Prompts lost or refused in a row after which it is given none for REST_MS: it answers, but a GPU may be broken. */
const BAD_PROMPTS_TO_DOWN = 3;
const REST_MS = 30_000;

/**
 * Whether an instance can be given work. Every call to it reports here, a probe when nothing else does, and what became
 * of its prompts. After a rest it is given one prompt again: if that goes well it is as good as before, else it rests
 * again.
 */
export class InstanceHealth {
  #state: InstanceState = 'unknown';
  #since = Date.now();
  #reason: string | null = null;
  #failures = 0;
  #reachedAt = Number.NEGATIVE_INFINITY;
  #lastBadJob: string | undefined;
  #badPrompts = 0;
  #restsUntil = 0;
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

  wasReachedWithin(ms: number): boolean {
    return this.#state === 'up' && performance.now() - this.#reachedAt < ms;
  }

  reached(): void {
    this.#reachedAt = performance.now();
    this.#failures = 0;
    if (Date.now() >= this.#restsUntil) this.#become('up', null);
  }

  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures >= FAILURES_TO_DOWN || this.#state !== 'up') this.#become('down', reason);
  }

  promptWentWell(): void {
    this.#badPrompts = 0;
  }

  /** One job alone may be to blame itself: only different ones count. */
  promptWentBadly(job: string, reason: string): void {
    if (job !== this.#lastBadJob) this.#badPrompts += 1;
    this.#lastBadJob = job;
    if (this.#badPrompts < BAD_PROMPTS_TO_DOWN) return;
    this.#restsUntil = Date.now() + REST_MS;
    this.#become('down', `its last ${this.#badPrompts} prompts went badly: ${reason}`);
  }

  #become(state: InstanceState, reason: string | null): void {
    this.#reason = reason;
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
    this.#onChange(this);
  }
}
