import type { InstanceRest } from '@comfy-fleet/contracts';
import { covers, nameOfScope, type Scope, type Subject } from './scope.js';

export interface RestLimits {
  /** Different jobs that failed in a row before the instance rests for errors that may be theirs. */
  readonly failuresToRest: number;
  readonly firstRestMs: number;
  readonly longestRestMs: number;
}

/** How a job failed. */
export interface Failure {
  /** Alike of errors that are alike. */
  readonly print: string;
  /** Its code, for metrics. */
  readonly code: string;
  /** In words. */
  readonly error: string;
  /** What is known to be out of order, when the kind of the error says so; else what the failures have in common. */
  readonly scope?: Scope;
  /** The error is the machine's by its kind: it rests at once. */
  readonly certain: boolean;
}

interface Noted extends Subject, Failure {
  readonly at: number;
}

interface OwnRest extends InstanceRest {
  /** The kind of the error, or a success elsewhere, says that it is the instance's fault. */
  readonly proven: boolean;
  readonly trial: string | undefined;
}

/** Bounds of what is remembered; the oldest is forgotten first. */
const MOST_FAILURES = 100;
const MOST_SCOPES = 200;
const MOST_RESTS = 32;

/**
 * What an instance is suspected of, by what became of its jobs: to be sick altogether, or only for a workflow, a
 * checkpoint, or both. Pure: it is told everything, times too (ms since 1970).
 *
 * A **failure** stays unexplained until a job like it (same workflow and checkpoint) succeeds here, or until the same job
 * fails alike elsewhere. While there is an unexplained one of another job, the instance is **suspect** of what they have
 * in common. It **rests** for that scope when the error is the machine's by its kind, when a failed job succeeded
 * elsewhere, or when enough different jobs failed in a row; each rest in a row is twice as long. When it is over, one job
 * of the scope is let in as a **trial**: its success ends the suspicion, its failure begins the next rest.
 */
export class Suspicion {
  readonly #limits: RestLimits;
  #failures: Noted[] = [];
  /** By scope, the number of the last success in it. */
  readonly #successes = new Map<string, number>();
  readonly #rests = new Map<string, OwnRest>();
  /** Rests that are over: one soon after continues their row. */
  readonly #past = new Map<string, { readonly count: number; readonly at: number }>();
  #count = 0;

  constructor(limits: RestLimits) {
    this.#limits = limits;
  }

  /** What it is not given now, or only for a trial. */
  get rests(): readonly InstanceRest[] {
    return [...this.#rests.values()].map(({ scope, until, count, code, error }) => ({
      scope,
      until,
      count,
      code,
      error,
    }));
  }

  /** Its rest from all work. */
  get altogether(): InstanceRest | undefined {
    return this.#rests.get(nameOfScope({}));
  }

  /** Whether other jobs failed here lately that may have failed for the same reason as this one. */
  isSuspectOf(subject: Subject): boolean {
    return scopesOf(subject).some((scope) => this.#run(scope).some(({ job }) => job !== subject.job));
  }

  /** Whether the instance may be given the job. */
  permits(subject: Subject, now: number): 'yes' | 'trial' | 'no' {
    let answer: 'yes' | 'trial' = 'yes';
    for (const { scope, until, trial } of this.#rests.values()) {
      if (!covers(scope, subject)) continue;
      if (now < until || (trial !== undefined && trial !== subject.job)) return 'no';
      answer = 'trial';
    }
    return answer;
  }

  /** In how many ms nothing keeps the job from being tried here; then others had a chance to be the trial before it. */
  restMs(subject: Subject, now: number): number {
    const ends = [...this.#rests.values()].filter(({ scope }) => covers(scope, subject)).map(({ until }) => until);
    return Math.max(0, ...ends.map((until) => until - now));
  }

  /** The instance was given the job. */
  entered(subject: Subject, now: number): void {
    for (const [name, rest] of this.#rests) {
      if (covers(rest.scope, subject) && now >= rest.until && rest.trial === undefined) {
        this.#rests.set(name, { ...rest, trial: subject.job });
      }
    }
  }

  /** The instance has the job no more; a trial that ended without a result is to be had again. */
  left(job: string): void {
    for (const [name, rest] of this.#rests)
      if (rest.trial === job) this.#rests.set(name, { ...rest, trial: undefined });
  }

  succeeded(subject: Subject, now: number): void {
    this.#count += 1;
    for (const scope of scopesOf(subject)) this.#noteSuccess(nameOfScope(scope));
    this.#failures = this.#failures.filter((failure) => !isLike(failure, subject));
    for (const { scope } of this.rests) if (covers(scope, subject)) this.#endRest(scope, now);
  }

  failed(subject: Subject, failure: Failure, now: number): void {
    this.#count += 1;
    this.#failures = [...this.#failures, { ...subject, ...failure, at: this.#count }].slice(-MOST_FAILURES);
    const covering = [...this.#rests.values()].filter(({ scope }) => covers(scope, subject));
    const tried = covering.filter(({ trial }) => trial === subject.job);
    for (const rest of tried) this.#rest(rest.scope, failure, { now, proven: rest.proven || failure.certain });
    // What was in its queue when it began to rest tells nothing new.
    if (tried.length > 0 || covering.some(({ scope }) => covers(scope, failure.scope ?? subject))) return;
    if (failure.certain) {
      this.#rest(failure.scope ?? this.#common(subject), failure, { now, proven: true });
      return;
    }
    const scope = failure.scope ?? this.#common(subject);
    const run = this.#run(scope);
    if (jobsOf(run) < this.#limits.failuresToRest) return;
    // Nobody knows whether it is the caller's: then it is his alone.
    const keys = new Set(run.map(({ key }) => key));
    this.#rest(keys.size === 1 && failure.scope === undefined ? { ...scope, key: subject.key } : scope, failure, {
      now,
      proven: false,
    });
  }

  /** A job that failed here succeeded elsewhere: it is the instance's fault. */
  confirmed(job: string, now: number): void {
    const failure = this.#failures.findLast((noted) => noted.job === job);
    if (failure === undefined) return;
    const scope = failure.scope ?? this.#common(failure);
    const covering = [...this.#rests.values()].find((rest) => covers(rest.scope, scope));
    if (covering === undefined) this.#rest(scope, failure, { now, proven: true });
    else this.#rests.set(nameOfScope(covering.scope), { ...covering, proven: true });
  }

  /**
   * A job that failed here failed alike elsewhere: it is the job's fault, and so are failures of its like. What was the
   * machine's by its kind may have harmed it all the same: it is to be tried at once.
   */
  cleared(job: string, now: number): void {
    for (const failure of this.#failures.filter((noted) => noted.job === job && noted.certain)) {
      for (const [name, rest] of this.#rests) {
        if (covers(rest.scope, failure))
          this.#rests.set(name, { ...rest, until: now, count: Math.max(1, rest.count - 1) });
      }
    }
    const own = this.#failures.filter((noted) => noted.job === job && !noted.certain);
    this.#failures = this.#failures.filter(
      (noted) => !own.some((other) => noted === other || (noted.print === other.print && isLike(noted, other))),
    );
    for (const { scope, proven } of [...this.#rests.values()]) {
      if (jobsOf(this.#run(scope)) < (proven ? 1 : this.#limits.failuresToRest)) this.#endRest(scope, now);
    }
  }

  /** The unexplained failures of a scope in which nothing succeeded since. */
  #run(scope: Scope): readonly Noted[] {
    const since = this.#successes.get(nameOfScope(scope)) ?? 0;
    return this.#failures.filter((failure) => failure.at > since && covers(scope, failure));
  }

  /** What the failures since the last success have in common with this one: the widest scope that more than one tells of. */
  #common(subject: Subject): Scope {
    const { workflow, checkpoint } = subject;
    const distinct = (run: readonly Noted[], part: 'workflow' | 'checkpoint') =>
      new Set(run.map((failure) => failure[part])).size;
    const all = this.#run({});
    if (distinct(all, 'workflow') > 1 && distinct(all, 'checkpoint') > 1) return {};
    if (distinct(this.#run({ checkpoint }), 'workflow') > 1) return { checkpoint };
    if (distinct(this.#run({ workflow }), 'checkpoint') > 1) return { workflow };
    return { workflow, checkpoint };
  }

  #rest(scope: Scope, { code, error }: Failure, { now, proven }: { now: number; proven: boolean }): void {
    const name = nameOfScope(scope);
    const { firstRestMs, longestRestMs } = this.#limits;
    const past = this.#past.get(name);
    const before =
      this.#rests.get(name)?.count ?? (past !== undefined && now < past.at + longestRestMs ? past.count : 0);
    const until = now + Math.min(longestRestMs, firstRestMs * 2 ** Math.min(before, 30));
    for (const [other, rest] of this.#rests) if (covers(scope, rest.scope)) this.#rests.delete(other);
    this.#rests.set(name, { scope, until, count: before + 1, code, error, proven, trial: undefined });
    forgetOldest(this.#rests, MOST_RESTS);
  }

  #endRest(scope: Scope, now: number): void {
    const name = nameOfScope(scope);
    const rest = this.#rests.get(name);
    if (rest === undefined) return;
    this.#rests.delete(name);
    this.#past.set(name, { count: rest.count, at: now });
    forgetOldest(this.#past, MOST_RESTS);
  }

  #noteSuccess(name: string): void {
    this.#successes.delete(name);
    this.#successes.set(name, this.#count);
    forgetOldest(this.#successes, MOST_SCOPES);
  }
}

/** From the widest to the narrowest. */
function scopesOf({ workflow, checkpoint }: Subject): readonly Scope[] {
  return [{}, { workflow }, { checkpoint }, { workflow, checkpoint }];
}

function jobsOf(run: readonly Noted[]): number {
  return new Set(run.map(({ job }) => job)).size;
}

function isLike(one: Subject, other: Subject): boolean {
  return one.workflow === other.workflow && one.checkpoint === other.checkpoint;
}

function forgetOldest<T>(map: Map<string, T>, most: number): void {
  for (const name of map.keys()) {
    if (map.size <= most) return;
    map.delete(name);
  }
}
