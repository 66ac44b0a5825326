import type { InstanceState } from '@comfy-fleet/contracts';

/** Why an instance that can be reached is given no work; `wedged` outweighs `resting` when it is both. */
const CLOSURES = ['wedged', 'resting'] as const;
export type Closure = (typeof CLOSURES)[number];

/** Failures in a row after which an instance counts as down; one lost packet should not close a lane. */
const FAILURES_TO_DOWN = 3;

/** Prompts lost or refused in a row after which it is given none for REST_MS: it answers, but a GPU may be broken. */
const BAD_PROMPTS_TO_REST = 3;
const REST_MS = 30_000;

/**
 * Whether an instance can be given work. Every call to it reports here, a probe when nothing else does, and what became
 * of its prompts. After a rest it is given one prompt again: if that goes well it is as good as before, else it rests
 * again.
 */
export class InstanceHealth {
  #reach: 'up' | 'down' | 'unknown' = 'unknown';
  #unreached: string | null = null;
  readonly #closures = new Map<Closure, string>();
  #state: InstanceState = 'unknown';
  #since = Date.now();
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

  /** Why it is not up. */
  get reason(): string | null {
    if (this.#reach !== 'up') return this.#unreached;
    return this.#closure === undefined ? null : (this.#closures.get(this.#closure) ?? null);
  }

  /** It answers, whether or not it is given work. */
  get isReachable(): boolean {
    return this.#reach === 'up';
  }

  wasReachedWithin(ms: number): boolean {
    return this.isReachable && performance.now() - this.#reachedAt < ms;
  }

  reached(): void {
    this.#reachedAt = performance.now();
    this.#failures = 0;
    this.#reach = 'up';
    if (this.#closures.has('resting') && Date.now() >= this.#restsUntil) this.#closures.delete('resting');
    this.#refresh();
  }

  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_DOWN && this.#reach === 'up') return;
    this.#reach = 'down';
    this.#unreached = reason;
    this.#refresh();
  }

  /** It is given no work for this reason, until it is opened. The reason for people may change meanwhile. */
  close(why: Closure, reason: string): void {
    this.#closures.set(why, reason);
    this.#refresh();
  }

  /** What it was closed for is over; it may still be closed for another reason. */
  open(why: Closure): void {
    this.#closures.delete(why);
    this.#refresh();
  }

  promptWentWell(): void {
    this.#badPrompts = 0;
  }

  /** One job alone may be to blame itself: only different ones count. */
  promptWentBadly(job: string, reason: string): void {
    if (job !== this.#lastBadJob) this.#badPrompts += 1;
    this.#lastBadJob = job;
    if (this.#badPrompts < BAD_PROMPTS_TO_REST) return;
    this.#restsUntil = Date.now() + REST_MS;
    this.close('resting', `its last ${this.#badPrompts} prompts went badly: ${reason}`);
  }

  get #closure(): Closure | undefined {
    return CLOSURES.find((closure) => this.#closures.has(closure));
  }

  #refresh(): void {
    const state = this.#reach === 'up' ? (this.#closure ?? 'up') : this.#reach;
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
    this.#onChange(this);
  }
}
