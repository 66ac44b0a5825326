import type { ErrorCode, InstanceRest } from '@comfy-fleet/contracts';
import { covers, nameOfScope, type Scope, type Subject } from './scope.js';

export interface RestLimits {
  /** Different jobs that failed in a row before the instance rests for errors that may be theirs. */
  readonly failuresToRest: number;
  readonly firstRestMs: number;
  readonly longestRestMs: number;
}

/** How a job failed. */
export interface Failure {
  /** The same for errors that are alike. */
  readonly print: string;
  readonly code: ErrorCode;
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
  /** When a test prompt last showed nothing wrong, ms since 1970; undefined: none has since the rest began. */
  readonly testedAt: number | undefined;
  /** The number of the failure with which it began. */
  readonly at: number;
}

/** What the fleet sees itself, without any key's word for it. No key has this id. */
const FLEET: Subject = { job: '', key: '', workflow: '', checkpoint: '' };

/** Limits of what is remembered. A key displaces its own failures first. */
const MOST_FAILURES = 100;
const MOST_SCOPES = 200;
/** Of each key, and of all keys together. */
const MOST_RESTS = 32;

/**
 * What an instance is suspected of, by what became of its jobs: to be sick altogether, or only for a workflow, a
 * checkpoint, or both. Pure: it is told everything, times too (ms since 1970).
 *
 * A **failure** stays unexplained until a job like it (same workflow and checkpoint) succeeds here, or until the same job
 * fails alike elsewhere. While there is an unexplained one of another job, the instance is **suspect** of what they have
 * in common. It **rests** for that scope when the error is the machine's by its kind, when a failed job succeeded
 * elsewhere, or when enough different jobs failed in a row; each rest in a row is twice as long.
 *
 * The caller may have chosen the error. So it rests only for the jobs of that key, until a job of another key fails alike,
 * or the fleet's own **test prompt** fails. That is due when a rest begins and again when it is over. Then one job of the
 * scope is let in as a **trial**: its success ends the suspicion, its failure begins the next rest. After a restart of
 * ComfyUI the test prompt alone ends it.
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
  /** Its process may be another one than that which failed. */
  #mayBeNew = false;

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

  /** What it is given no job of, not even for a trial. */
  refusals(now: number): readonly Scope[] {
    const refusing = [...this.#rests.values()].filter((rest) => !isTrialDue(rest, now) || rest.trial !== undefined);
    return refusing.map(({ scope }) => scope);
  }

  /** Whether other jobs failed here lately that may have failed for the same reason as this one. */
  isSuspectOf(subject: Subject, { print }: Pick<Failure, 'print'>): boolean {
    const believed = [subject.key, FLEET.key];
    return scopesOf(subject).some((scope) =>
      this.#run(scope).some(
        (other) =>
          other.job !== subject.job &&
          other.code !== 'out_of_memory' &&
          (believed.includes(other.key) || other.print === print),
      ),
    );
  }

  /** Whether the instance may be given the job. */
  permits(subject: Subject, now: number): 'yes' | 'trial' | 'no' {
    const covering = this.#covering(subject);
    if (covering.length === 0) return 'yes';
    const isFree = ({ trial }: OwnRest) => trial === undefined || trial === subject.job;
    return covering.every((rest) => isTrialDue(rest, now) && isFree(rest)) ? 'trial' : 'no';
  }

  /** In how many ms nothing keeps the job from being tried here; then others had a chance to be the trial before it. */
  restMs(subject: Subject, now: number): number {
    return Math.max(0, ...this.#covering(subject).map(({ until }) => until - now));
  }

  /** Whether a test prompt is to say what the instance can do: when a rest begins, and when it is over. */
  isTestDue(now: number): boolean {
    return [...this.#rests.values()].some(
      (rest) =>
        rest.trial === undefined && (rest.testedAt === undefined || (now >= rest.until && !isTrialDue(rest, now))),
    );
  }

  /** Its rest from all work is over, but for a trial. */
  isTrialDue(now: number): boolean {
    const rest = this.#rests.get(nameOfScope({}));
    return rest !== undefined && isTrialDue(rest, now);
  }

  /** A test prompt showed nothing wrong (`passed`), or could not be run. */
  tested(passed: boolean, now: number): void {
    if (passed && this.#mayBeNew) {
      for (const { scope } of this.rests) this.#endRest(scope, now);
      this.#failures = [];
      this.#mayBeNew = false;
    }
    this.#failures = this.#failures.filter(({ key }) => key !== FLEET.key);
    for (const rest of [...this.#rests.values()]) this.#change(rest, { testedAt: now });
  }

  /** ComfyUI may have been restarted. If a test prompt passes, which is due at once, all rests are over. */
  mayHaveRestarted(): void {
    this.#mayBeNew = this.#rests.size > 0;
    for (const rest of [...this.#rests.values()]) this.#change(rest, { testedAt: undefined, trial: undefined });
  }

  /** The fleet itself saw the fault, so the instance rests for the jobs of all keys. */
  observed(failure: Pick<Failure, 'code' | 'error'>, now: number): void {
    const whole = this.altogether;
    this.tested(false, now);
    this.#note({ ...FLEET, ...failure, print: failure.code, scope: {}, certain: true });
    // Prompts that were queued before the suspension began say nothing new.
    if (whole === undefined || now >= whole.until) this.#rest({}, failure, { now, proven: true, testedAt: now });
  }

  /** The instance was given the job. */
  entered(subject: Subject, now: number): void {
    for (const rest of this.#covering(subject)) {
      if (isTrialDue(rest, now) && rest.trial === undefined) this.#change(rest, { trial: subject.job });
    }
  }

  /** The instance has the job no more; a trial that ended without a result is to be had again. */
  left(job: string): void {
    for (const rest of [...this.#rests.values()]) if (rest.trial === job) this.#change(rest, { trial: undefined });
  }

  succeeded(subject: Subject, now: number): void {
    this.#count += 1;
    for (const scope of scopesOf(subject)) this.#noteSuccess(nameOfScope(scope));
    this.#failures = this.#failures.filter((failure) => !isLike(failure, subject));
    for (const { scope } of this.rests) if (covers(scope, subject)) this.#endRest(scope, now);
  }

  failed(subject: Subject, failure: Failure, now: number): void {
    const noted = this.#note({ ...subject, ...failure });
    const covering = this.#covering(subject);
    const tried = covering.filter(({ trial }) => trial === subject.job);
    for (const rest of tried) this.#trialFailed(rest, noted, now);
    const scope = this.#scopeOf(noted, this.#leastOf(failure));
    // Prompts that were queued before the suspension began say nothing new.
    if (tried.length > 0 || scope === undefined || covering.some((rest) => covers(rest.scope, scope))) return;
    this.#rest(scope, failure, { now, proven: failure.certain });
  }

  /** A job that failed here succeeded elsewhere: it is the instance's fault. */
  confirmed(job: string, now: number): void {
    const failure = this.#failures.findLast((noted) => noted.job === job);
    const scope = failure && this.#scopeOf(failure, 1);
    if (failure === undefined || scope === undefined) return;
    const covering = [...this.#rests.values()].find((rest) => covers(rest.scope, scope));
    if (covering === undefined) this.#rest(scope, failure, { now, proven: true });
    else this.#change(covering, { proven: true });
  }

  /**
   * A job that failed here failed alike elsewhere: it is the job's fault, and so are failures of its like. What was the
   * machine's by its kind may have harmed it all the same: it is to be tried at once.
   */
  cleared(job: string, now: number): void {
    for (const failure of this.#failures.filter((noted) => noted.job === job && noted.certain)) {
      for (const rest of this.#covering(failure)) {
        if (rest.scope.key === failure.key) this.#change(rest, { until: now, count: Math.max(1, rest.count - 1) });
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

  /** Different jobs that must fail before it rests without another reason. */
  #leastOf({ certain, code }: Failure): number {
    // Mostly such a job is too large: only its success elsewhere says more.
    if (code === 'out_of_memory') return Number.POSITIVE_INFINITY;
    return certain ? 1 : this.#limits.failuresToRest;
  }

  #covering(subject: Subject): OwnRest[] {
    return [...this.#rests.values()].filter(({ scope }) => covers(scope, subject));
  }

  #note(failure: Omit<Noted, 'at'>): Noted {
    this.#count += 1;
    const noted = { ...failure, at: this.#count };
    if (this.#failures.length >= MOST_FAILURES) {
      const oldest = Math.max(
        0,
        this.#failures.findIndex(({ key }) => key === noted.key),
      );
      this.#failures.splice(oldest, 1);
    }
    this.#failures.push(noted);
    return noted;
  }

  /**
   * What the instance is to rest for after a failure: all keys' jobs of a scope when at least two keys failed alike, else
   * those of the key alone; undefined while fewer than `least` jobs failed.
   */
  #scopeOf(noted: Noted, least: number): Scope | undefined {
    const alike = this.#failures.filter(({ print }) => print === noted.print);
    const shared = noted.scope ?? this.#common(noted, alike);
    const run = this.#run(shared, alike);
    if (jobsOf(run) >= least && run.some(({ key }) => key !== noted.key)) return shared;
    const own = this.#failures.filter(({ key }) => key === noted.key);
    const scope = noted.scope ?? this.#common(noted, own);
    return jobsOf(this.#run(scope, own)) < least ? undefined : { ...scope, key: noted.key };
  }

  /** The next rest for all keys needs two of them again: one key's trials could keep it from the others for ever. */
  #trialFailed(rest: OwnRest, noted: Noted, now: number): void {
    const next = { now, proven: rest.proven || noted.certain };
    const isShared = (other: Noted) => other.at > rest.at && other.key !== noted.key && other.print === noted.print;
    if (rest.scope.key !== undefined || this.#failures.some((other) => covers(rest.scope, other) && isShared(other))) {
      this.#rest(rest.scope, noted, next);
      return;
    }
    this.#change(rest, { trial: undefined });
    this.#rest({ ...rest.scope, key: noted.key }, noted, next);
  }

  /** The unexplained failures of a scope in which nothing succeeded since. */
  #run(scope: Scope, of: readonly Noted[] = this.#failures): readonly Noted[] {
    const { key: _any, ...work } = scope;
    const since = this.#successes.get(nameOfScope(work)) ?? 0;
    return of.filter((failure) => failure.at > since && covers(scope, failure));
  }

  /** What failures since the last success have in common with this one: the widest scope that more than one tells of. */
  #common({ workflow, checkpoint }: Subject, failures: readonly Noted[]): Scope {
    const distinct = (scope: Scope, part: 'workflow' | 'checkpoint') =>
      new Set(this.#run(scope, failures).map((failure) => failure[part])).size;
    if (distinct({}, 'workflow') > 1 && distinct({}, 'checkpoint') > 1) return {};
    if (distinct({ checkpoint }, 'workflow') > 1) return { checkpoint };
    if (distinct({ workflow }, 'checkpoint') > 1) return { workflow };
    return { workflow, checkpoint };
  }

  #rest(
    scope: Scope,
    { code, error }: Pick<Failure, 'code' | 'error'>,
    { now, proven, testedAt }: { now: number; proven: boolean; testedAt?: number },
  ): void {
    const name = nameOfScope(scope);
    const { firstRestMs, longestRestMs } = this.#limits;
    const past = this.#past.get(name);
    const before =
      this.#rests.get(name)?.count ?? (past !== undefined && now < past.at + longestRestMs ? past.count : 0);
    const until = now + Math.min(longestRestMs, firstRestMs * 2 ** Math.min(before, 30));
    for (const [other, rest] of this.#rests) if (covers(scope, rest.scope)) this.#rests.delete(other);
    const rest = { scope, until, count: before + 1, code, error, proven, trial: undefined, testedAt, at: this.#count };
    this.#rests.set(name, rest);
    const ofKey = [...this.#rests].filter(([, other]) => other.scope.key === scope.key);
    for (const [oldest] of ofKey.slice(0, -MOST_RESTS)) this.#rests.delete(oldest);
  }

  #change(rest: OwnRest, change: Partial<OwnRest>): void {
    this.#rests.set(nameOfScope(rest.scope), { ...rest, ...change });
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

/** It is over, and a test prompt has shown nothing wrong since: one job may try. */
function isTrialDue({ until, testedAt }: OwnRest, now: number): boolean {
  return now >= until && testedAt !== undefined && testedAt >= until;
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
