import type { InstanceRest, InstanceState } from '@comfy-fleet/contracts';
import type { CrossCheck } from '@comfy-fleet/jobs';
import { covers, type Scope, type Subject } from './scope.js';
import { type Failure, type RestLimits, Suspicion } from './suspicion.js';

/**
 * Why a reachable instance is given no work; while `occupied`, only jobs that no other instance can run. The first
 * reason in this list wins.
 */
const CLOSURES = ['wedged', 'resting', 'warming', 'occupied'] as const;
export type Closure = (typeof CLOSURES)[number];

/** Failures in a row after which an instance counts as down; one lost packet should not close it. */
const FAILURES_TO_DOWN = 3;

interface HealthOptions {
  readonly limits: RestLimits;
  /** Its state has changed. */
  readonly onChange: (health: InstanceHealth, before: InstanceState) => void;
  /** Its rests have changed, or a test prompt has run, so that a job may be tried. */
  readonly onRests: (health: InstanceHealth) => void;
}

/**
 * Decides whether an instance can be given work, and which. Every call to it reports its outcome here, and so do the
 * jobs it runs; when there are no calls, a probe reports.
 */
export class InstanceHealth {
  readonly #options: HealthOptions;
  readonly #suspicion: Suspicion;
  #reach: 'up' | 'down' | 'unknown' = 'unknown';
  #unreached: string | null = null;
  readonly #closures = new Map<Closure, { readonly reason: string; readonly since: number }>();
  #state: InstanceState = 'unknown';
  #since = Date.now();
  #failures = 0;
  #reachedAt = Number.NEGATIVE_INFINITY;
  #rests: readonly InstanceRest[] = [];
  #imposed: readonly InstanceRest[] = [];

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#suspicion = new Suspicion(options.limits);
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
    return this.#closure === undefined ? null : (this.#closures.get(this.#closure)?.reason ?? null);
  }

  /** It answers, whether or not it is given work. */
  get isReachable(): boolean {
    return this.#reach === 'up';
  }

  /** It executes a prompt that is not ours, as far as we know. */
  get isOccupied(): boolean {
    return this.#closures.has('occupied');
  }

  /** It went on with a prompt that was given up, as far as we know. */
  get isHung(): boolean {
    return this.#closures.has('wedged');
  }

  wasReachedWithin(ms: number): boolean {
    return this.isReachable && performance.now() - this.#reachedAt < ms;
  }

  reached(): void {
    this.#reachedAt = performance.now();
    this.#failures = 0;
    this.#reach = 'up';
    this.#refresh();
  }

  failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_DOWN && this.#reach === 'up') return;
    this.#reach = 'down';
    this.#unreached = reason;
    this.#refresh();
  }

  /**
   * Closes it for a reason until `open` is called. The text for people may change meanwhile; the first `since` (ms
   * since 1970) counts.
   */
  close(why: Closure, reason: string, since = Date.now()): void {
    this.#closures.set(why, { reason, since: this.#closures.get(why)?.since ?? since });
    this.#refresh();
  }

  /** Removes this reason; another one may still keep it closed. */
  open(why: Closure): void {
    this.#closures.delete(why);
    this.#refresh();
  }

  /** The work that it is not given, or only as a trial; see Suspicion. */
  get rests(): readonly InstanceRest[] {
    return this.#rests;
  }

  /** Its rest from all work is over, and nothing else prevents a trial job. */
  get isToBeTried(): boolean {
    return this.#state === 'resting' && this.#suspicion.isTrialDue(Date.now());
  }

  /** The work that it is refused, even as a trial. */
  get refusals(): readonly Scope[] {
    return [...this.#suspicion.refusals(Date.now()), ...this.#imposed.map(({ scope }) => scope)];
  }

  /** A test prompt should find out whether it works; see createTestPrompts. */
  get isTestDue(): boolean {
    return this.#suspicion.isTestDue(Date.now());
  }

  isSuspectOf(subject: Subject, failure: Pick<Failure, 'print'>): boolean {
    return this.#suspicion.isSuspectOf(subject, failure);
  }

  permits(subject: Subject): 'yes' | 'trial' | 'no' {
    if (this.#imposed.some(({ scope }) => covers(scope, subject))) return 'no';
    return this.#suspicion.permits(subject, Date.now());
  }

  /** In how many ms a job that failed here may be tried here again: after another one. */
  restMs(subject: Subject): number {
    return this.#suspicion.restMs(subject, Date.now());
  }

  entered(subject: Subject): void {
    this.#suspicion.entered(subject, Date.now());
  }

  left(job: string): void {
    this.#suspicion.left(job);
  }

  jobSucceeded(subject: Subject): void {
    this.#suspicion.succeeded(subject, Date.now());
    this.#restsChanged();
  }

  jobFailed(subject: Subject, failure: Failure): void {
    this.#suspicion.failed(subject, failure, Date.now());
    this.#restsChanged();
  }

  /** A test prompt found no fault (`passed`) or could not be run. If a rest is over, a job may then be the trial. */
  tested(passed: boolean): void {
    this.#suspicion.tested(passed, Date.now());
    if (!this.#restsChanged()) this.#options.onRests(this);
  }

  /** Its ComfyUI may have been restarted. */
  mayHaveRestarted(): void {
    this.#suspicion.mayHaveRestarted();
  }

  /** The worker itself observed a fault, so the instance rests for the jobs of all keys. */
  observed(failure: Pick<Failure, 'code' | 'error'>): void {
    this.#suspicion.observed(failure, Date.now());
    this.#restsChanged();
  }

  /** Another instance ran a job that failed here. */
  crossChecked({ job, verdict }: Pick<CrossCheck, 'job' | 'verdict'>): void {
    if (verdict === 'succeeded') this.#suspicion.confirmed(job, Date.now());
    else this.#suspicion.cleared(job, Date.now());
    this.#restsChanged();
  }

  /** Sets the work that all instances of the fleet refuse now. */
  impose(rests: readonly InstanceRest[]): void {
    this.#imposed = rests;
    this.#restsChanged();
  }

  get #closure(): Closure | undefined {
    return CLOSURES.find((closure) => this.#closures.has(closure));
  }

  /** Answers whether the rests have changed. */
  #restsChanged(): boolean {
    const before = JSON.stringify(this.#rests);
    this.#rests = [...this.#suspicion.rests, ...this.#imposed];
    if (JSON.stringify(this.#rests) === before) return false;
    const { altogether } = this.#suspicion;
    if (altogether === undefined) this.open('resting');
    else {
      const until = new Date(altogether.until).toISOString();
      this.close('resting', `it is tried with one job at ${until}, after: ${altogether.error}`);
    }
    this.#options.onRests(this);
    return true;
  }

  #refresh(): void {
    const state = this.#reach === 'up' ? (this.#closure ?? 'up') : this.#reach;
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    const closure = this.#reach === 'up' ? this.#closure : undefined;
    this.#since = (closure && this.#closures.get(closure)?.since) ?? Date.now();
    this.#options.onChange(this, before);
  }
}
