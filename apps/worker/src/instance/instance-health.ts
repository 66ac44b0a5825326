import type { InstanceRest, InstanceState } from '@comfy-fleet/contracts';
import type { CrossCheck } from '@comfy-fleet/jobs';
import { covers, type Scope, type Subject } from './scope.js';
import { type Failure, type RestLimits, Suspicion } from './suspicion.js';

/**
 * Why an instance that can be reached is given no work, or while it is `occupied` only what no other one can run; the
 * first one outweighs the others when there are several.
 */
const CLOSURES = ['wedged', 'resting', 'warming', 'occupied'] as const;
export type Closure = (typeof CLOSURES)[number];

/** Failures in a row after which an instance counts as down; one lost packet should not close it. */
const FAILURES_TO_DOWN = 3;

interface HealthOptions {
  readonly limits: RestLimits;
  /** Its state has changed. */
  readonly onChange: (health: InstanceHealth, before: InstanceState) => void;
  /** What it rests for has changed, or a test prompt has run, so that it may be tried with one job. */
  readonly onRests: (health: InstanceHealth) => void;
}

/**
 * Whether an instance can be given work, and which. Every call to it reports here, a probe when nothing else does, and
 * what became of its jobs.
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

  /** Somebody else's prompt executes there, as far as we know. */
  get isOccupied(): boolean {
    return this.#closures.has('occupied');
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
   * It is given no work for this reason, until it is opened. The reason for people may change meanwhile; `since` is ms since
   * 1970, the first one counts.
   */
  close(why: Closure, reason: string, since = Date.now()): void {
    this.#closures.set(why, { reason, since: this.#closures.get(why)?.since ?? since });
    this.#refresh();
  }

  /** What it was closed for is over; it may still be closed for another reason. */
  open(why: Closure): void {
    this.#closures.delete(why);
    this.#refresh();
  }

  /** What it is not given, or only for a trial; see Suspicion. */
  get rests(): readonly InstanceRest[] {
    return this.#rests;
  }

  /** It rests from all work, that is over, and nothing else keeps it from being tried with one job. */
  get isToBeTried(): boolean {
    return this.#state === 'resting' && this.#suspicion.isTrialDue(Date.now());
  }

  /** What it is given no job of, not even for a trial. */
  get refusals(): readonly Scope[] {
    return [...this.#suspicion.refusals(Date.now()), ...this.#imposed.map(({ scope }) => scope)];
  }

  /** A test prompt is to say whether it works; see createTestPrompts. */
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

  /** A test prompt showed nothing wrong (`passed`), or could not be run: if a rest is over, a job may be the trial. */
  tested(passed: boolean): void {
    this.#suspicion.tested(passed, Date.now());
    if (!this.#restsChanged()) this.#options.onRests(this);
  }

  /** Its ComfyUI may have been restarted. */
  mayHaveRestarted(): void {
    this.#suspicion.mayHaveRestarted();
  }

  /** The worker itself saw the fault, so it counts for the jobs of all keys. */
  observed(failure: Pick<Failure, 'code' | 'error'>): void {
    this.#suspicion.observed(failure, Date.now());
    this.#restsChanged();
  }

  /** What became elsewhere of a job that failed here. */
  heard({ job, verdict }: Pick<CrossCheck, 'job' | 'verdict'>): void {
    if (verdict === 'succeeded') this.#suspicion.confirmed(job, Date.now());
    else this.#suspicion.cleared(job, Date.now());
    this.#restsChanged();
  }

  /** What no instance of the fleet is given now, whatever happened on this one. */
  impose(rests: readonly InstanceRest[]): void {
    this.#imposed = rests;
    this.#restsChanged();
  }

  get #closure(): Closure | undefined {
    return CLOSURES.find((closure) => this.#closures.has(closure));
  }

  /** Answers whether they have. */
  #restsChanged(): boolean {
    const before = JSON.stringify(this.#rests);
    this.#rests = [...this.#suspicion.rests, ...this.#imposed];
    if (JSON.stringify(this.#rests) === before) return false;
    const { altogether } = this.#suspicion;
    if (altogether === undefined) this.open('resting');
    else {
      const until = new Date(altogether.until).toISOString();
      this.close('resting', `it is given one job at ${until} to be tried with, after: ${altogether.error}`);
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
