import type { ErrorCode, InstanceRest } from '@comfy-fleet/contracts';
import { covers, nameOfScope, type Scope, type Subject } from './scope.js';

export interface RestLimits {
  /** How many different jobs must fail in a row, with errors that may be theirs, before the instance rests. */
  readonly failuresToRest: number;
  readonly firstRestMs: number;
  readonly longestRestMs: number;
}

/** How a job failed. */
export interface Failure {
  /** Equal for errors that are alike. */
  readonly print: string;
  readonly code: ErrorCode;
  /** The error as a sentence for people. */
  readonly error: string;
  /**
   * What is known to be broken, if the kind of the error shows it; otherwise it is what the failures have in common.
   */
  readonly scope?: Scope;
  /** The kind of the error shows that the machine is at fault: the instance rests at once. */
  readonly certain: boolean;
}

interface RecordedFailure extends Subject, Failure {
  readonly at: number;
}

interface OwnRest extends InstanceRest {
  /** The kind of the error, or a success elsewhere, proves that the instance is at fault. */
  readonly proven: boolean;
  readonly trial: string | undefined;
  /** When a test prompt last found no fault, ms since 1970; undefined: none has since the rest began. */
  readonly testedAt: number | undefined;
}

/** For faults that the fleet itself observed, not the jobs of a key. No key has this id. */
const FLEET: Subject = { job: '', key: '', workflow: '', checkpoint: '' };

/** Limits of what is remembered. A key displaces its own failures first. */
const MOST_FAILURES = 100;
const MOST_SCOPES = 200;
/** For each key, and for rests that apply to all keys. */
const MOST_RESTS = 32;

/**
 * Derives from the results of an instance's jobs whether it is faulty, and for which work: everything, a workflow, a
 * checkpoint, or both. Pure; times are arguments, in ms since 1970.
 *
 * A **failure** stays unexplained until a similar job (same workflow and checkpoint) succeeds here, or until the same
 * job fails alike elsewhere. While there is an unexplained failure of another job, the instance is **suspect** of what
 * they have in common. It **rests** for that scope when the kind of the error shows a fault of the machine, when a
 * failed job succeeded elsewhere, or when enough different jobs failed in a row; each rest in a row is twice as long.
 *
 * A caller can choose the error of a graph, and have more than one key. Therefore the instance rests only for the jobs
 * of that key, unless the fleet's own **test prompt** fails. The test prompt is due when a rest begins and again when it
 * ends. Then one job of the scope is admitted as a **trial**: success ends the suspicion, failure starts the
 * next rest. After a restart of ComfyUI, a passed test prompt alone ends all rests.
 */
export class Suspicion {
  readonly #limits: RestLimits;
  #failures: RecordedFailure[] = [];
  /** The number of the last success in each scope. */
  readonly #successes = new Map<string, number>();
  readonly #rests = new Map<string, OwnRest>();
  /** Rests that are over. A new one soon after continues their row, with a longer time. */
  readonly #endedRests = new Map<string, { readonly count: number; readonly at: number }>();
  #count = 0;
  /** ComfyUI may have been restarted since the failures. */
  #mayHaveRestarted = false;

  constructor(limits: RestLimits) {
    this.#limits = limits;
  }

  /** The work it is not given now, or only as a trial. */
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

  /** The work that it is refused, even as a trial. */
  refusals(now: number): readonly Scope[] {
    const refusing = [...this.#rests.values()].filter((rest) => !isTrialDue(rest, now) || rest.trial !== undefined);
    return refusing.map(({ scope }) => scope);
  }

  /** Whether other jobs failed here lately that may have the same cause. */
  isSuspectOf(subject: Subject, { print }: Pick<Failure, 'print'>): boolean {
    const believed = [subject.key, FLEET.key];
    return scopesOf(subject).some((scope) =>
      this.#streak(scope).some(
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

  /** In how many ms the job may be tried here again. By then other jobs had the chance to be the trial. */
  restMs(subject: Subject, now: number): number {
    return Math.max(0, ...this.#covering(subject).map(({ until }) => until - now));
  }

  /** Whether a test prompt is due: when a rest begins, and when it ends. */
  isTestDue(now: number): boolean {
    return [...this.#rests.values()].some(
      (rest) =>
        rest.trial === undefined && (rest.testedAt === undefined || (now >= rest.until && !isTrialDue(rest, now))),
    );
  }

  /** Its rest from all work is over, and a trial job is due. */
  isTrialDue(now: number): boolean {
    const rest = this.#rests.get(nameOfScope({}));
    return rest !== undefined && isTrialDue(rest, now);
  }

  /** A test prompt found no fault (`passed`) or could not be run. */
  tested(passed: boolean, now: number): void {
    if (passed && this.#mayHaveRestarted) {
      for (const { scope } of this.rests) this.#endRest(scope, now);
      this.#failures = [];
      this.#mayHaveRestarted = false;
    }
    this.#failures = this.#failures.filter(({ key }) => key !== FLEET.key);
    for (const rest of [...this.#rests.values()]) this.#change(rest, { testedAt: now });
  }

  /** ComfyUI may have been restarted. A test prompt is due at once; if it passes, all rests end. */
  mayHaveRestarted(): void {
    this.#mayHaveRestarted = this.#rests.size > 0;
    for (const rest of [...this.#rests.values()]) this.#change(rest, { testedAt: undefined, trial: undefined });
  }

  /** The fleet itself observed a fault, so the instance rests for the jobs of all keys. */
  observed(failure: Pick<Failure, 'code' | 'error'>, now: number): void {
    const whole = this.altogether;
    this.tested(false, now);
    this.#record({ ...FLEET, ...failure, print: failure.code, scope: {}, certain: true });
    // Prompts that were queued before the suspension began say nothing new.
    if (whole === undefined || now >= whole.until) this.#rest({}, failure, { now, proven: true, testedAt: now });
  }

  /** The instance was given the job. */
  entered(subject: Subject, now: number): void {
    for (const rest of this.#covering(subject)) {
      if (isTrialDue(rest, now) && rest.trial === undefined) this.#change(rest, { trial: subject.job });
    }
  }

  /** The job left the instance. If it was a trial without a result, another one is due. */
  left(job: string): void {
    for (const rest of [...this.#rests.values()]) if (rest.trial === job) this.#change(rest, { trial: undefined });
  }

  succeeded(subject: Subject, now: number): void {
    this.#count += 1;
    for (const scope of scopesOf(subject)) this.#recordSuccess(nameOfScope(scope));
    this.#failures = this.#failures.filter((failure) => !isLike(failure, subject));
    for (const { scope } of this.rests) if (covers(scope, subject)) this.#endRest(scope, now);
  }

  failed(subject: Subject, failure: Failure, now: number): void {
    const recorded = this.#record({ ...subject, ...failure });
    const covering = this.#covering(subject);
    const tried = covering.filter(({ trial }) => trial === subject.job);
    for (const rest of tried) this.#trialFailed(rest, recorded, now);
    const scope = this.#scopeOf(recorded, this.#leastOf(failure));
    // Prompts that were queued before the suspension began say nothing new.
    if (tried.length > 0 || scope === undefined || covering.some((rest) => covers(rest.scope, scope))) return;
    this.#rest(scope, failure, { now, proven: failure.certain });
  }

  /** A job that failed here succeeded elsewhere, so the instance is at fault. */
  confirmed(job: string, now: number): void {
    const failure = this.#failures.findLast((recorded) => recorded.job === job);
    const scope = failure && this.#scopeOf(failure, 1);
    if (failure === undefined || scope === undefined) return;
    const covering = [...this.#rests.values()].find((rest) => covers(rest.scope, scope));
    if (covering === undefined) this.#rest(scope, failure, { now, proven: true });
    else this.#change(covering, { proven: true });
  }

  /**
   * A job that failed here failed alike elsewhere, so the job is at fault, and so are similar failures. If the kind of
   * the error showed a fault of the machine, the job may still have harmed the instance, so a trial is due at once.
   */
  cleared(job: string, now: number): void {
    for (const failure of this.#failures.filter((recorded) => recorded.job === job && recorded.certain)) {
      for (const rest of this.#covering(failure)) {
        if (rest.scope.key === failure.key) this.#change(rest, { until: now, count: Math.max(1, rest.count - 1) });
      }
    }
    const own = this.#failures.filter((recorded) => recorded.job === job && !recorded.certain);
    this.#failures = this.#failures.filter(
      (recorded) =>
        !own.some((other) => recorded === other || (recorded.print === other.print && isLike(recorded, other))),
    );
    for (const { scope, proven } of [...this.#rests.values()]) {
      if (jobsOf(this.#streak(scope)) < (proven ? 1 : this.#limits.failuresToRest)) this.#endRest(scope, now);
    }
  }

  /** How many different jobs must fail before the instance rests. */
  #leastOf({ certain, code }: Failure): number {
    // Usually such a job is too large; only its success elsewhere proves a fault of the instance.
    if (code === 'out_of_memory') return Number.POSITIVE_INFINITY;
    return certain ? 1 : this.#limits.failuresToRest;
  }

  #covering(subject: Subject): OwnRest[] {
    return [...this.#rests.values()].filter(({ scope }) => covers(scope, subject));
  }

  #record(failure: Omit<RecordedFailure, 'at'>): RecordedFailure {
    this.#count += 1;
    const recorded = { ...failure, at: this.#count };
    if (this.#failures.length >= MOST_FAILURES) {
      const oldest = Math.max(
        0,
        this.#failures.findIndex(({ key }) => key === recorded.key),
      );
      this.#failures.splice(oldest, 1);
    }
    this.#failures.push(recorded);
    return recorded;
  }

  /** The scope to rest for after a failure, always of its key; undefined while fewer than `least` jobs failed. */
  #scopeOf(recorded: RecordedFailure, least: number): Scope | undefined {
    const own = this.#failures.filter(({ key }) => key === recorded.key);
    const scope = recorded.scope ?? this.#common(recorded, own);
    return jobsOf(this.#streak(scope, own)) < least ? undefined : { ...scope, key: recorded.key };
  }

  /** After a rest for all keys, the next one is for the key alone: otherwise its trials could keep the others out for ever. */
  #trialFailed(rest: OwnRest, recorded: RecordedFailure, now: number): void {
    this.#change(rest, { trial: undefined });
    this.#rest({ ...rest.scope, key: recorded.key }, recorded, { now, proven: rest.proven || recorded.certain });
  }

  /** The unexplained failures in a scope since the last success there. */
  #streak(scope: Scope, of: readonly RecordedFailure[] = this.#failures): readonly RecordedFailure[] {
    const { key: _any, ...work } = scope;
    const since = this.#successes.get(nameOfScope(work)) ?? 0;
    return of.filter((failure) => failure.at > since && covers(scope, failure));
  }

  /**
   * What this failure and others since the last success have in common: the widest scope for which more than one is
   * evidence.
   */
  #common({ workflow, checkpoint }: Subject, failures: readonly RecordedFailure[]): Scope {
    const distinct = (scope: Scope, part: 'workflow' | 'checkpoint') =>
      new Set(this.#streak(scope, failures).map((failure) => failure[part])).size;
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
    const ended = this.#endedRests.get(name);
    const before =
      this.#rests.get(name)?.count ?? (ended !== undefined && now < ended.at + longestRestMs ? ended.count : 0);
    const until = now + Math.min(longestRestMs, firstRestMs * 2 ** Math.min(before, 30));
    for (const [other, rest] of this.#rests) if (covers(scope, rest.scope)) this.#rests.delete(other);
    const rest = { scope, until, count: before + 1, code, error, proven, trial: undefined, testedAt };
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
    this.#endedRests.set(name, { count: rest.count, at: now });
    forgetOldest(this.#endedRests, MOST_RESTS);
  }

  #recordSuccess(name: string): void {
    this.#successes.delete(name);
    this.#successes.set(name, this.#count);
    forgetOldest(this.#successes, MOST_SCOPES);
  }
}

/** From the widest to the narrowest. */
function scopesOf({ workflow, checkpoint }: Subject): readonly Scope[] {
  return [{}, { workflow }, { checkpoint }, { workflow, checkpoint }];
}

/** The rest is over, and a test prompt has found no fault since: one job may try. */
function isTrialDue({ until, testedAt }: OwnRest, now: number): boolean {
  return now >= until && testedAt !== undefined && testedAt >= until;
}

function jobsOf(streak: readonly RecordedFailure[]): number {
  return new Set(streak.map(({ job }) => job)).size;
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
