import type { JobRecord } from '@comfy-fleet/jobs';
import { checkpointOf } from '../instance/scope.js';
import type { Instruments } from '../instruments.js';
import type { Loads } from '../submission/load-watch.js';

/** Measures how an instance spends its time: executing, idle between two prompts, loading models. */
export class GpuMeter {
  /** The share of the last minute in which it executed. */
  readonly busy = new BusyMeter(performance.now());
  readonly pace = new Pace();
  readonly #handovers = new Handovers();
  readonly #instance: string;
  readonly #instruments: Instruments;
  #checkpoint: string | undefined;

  constructor(instance: string, instruments: Instruments) {
    this.#instance = instance;
    this.#instruments = instruments;
  }

  /** The checkpoint of the prompt that began last. */
  get checkpoint(): string | undefined {
    return this.#checkpoint;
  }

  /** The instance can be given no work now, or could not until now. */
  wasClosed(): void {
    this.#handovers.wasClosed(performance.now());
  }

  /** The pool has no job for the instance. */
  hadNothing(pool: string): void {
    this.#handovers.hadNothing(pool, performance.now());
  }

  /**
   * A prompt began at `at`, by performance.now(). No gap is measured before an adopted prompt, because an earlier
   * process measured it.
   */
  began({ pool, request }: Pick<JobRecord, 'pool' | 'request'>, at: number, isAdopted = false): void {
    const checkpoint = checkpointOf(request);
    const labels = { instance: this.#instance };
    const gapMs = isAdopted ? undefined : this.#handovers.began(pool, at);
    if (gapMs !== undefined) this.#instruments.gaps.observe(labels, gapMs / 1000);
    if (this.#checkpoint !== undefined && this.#checkpoint !== checkpoint) this.#instruments.switches.inc(labels);
    this.#checkpoint = checkpoint;
  }

  /** A prompt ended, and this was observed of its models. */
  loaded({ ms, avoided }: Loads): void {
    const labels = { instance: this.#instance };
    if (avoided) this.#instruments.loadsAvoided.inc(labels);
    if (ms === undefined) return;
    this.#instruments.loads.inc(labels);
    this.#instruments.loadSeconds.inc(labels, ms / 1000);
  }

  /** A prompt ended at `at`, though its follower may not have reported that yet. */
  ended(at: number): void {
    this.#handovers.ended(at);
  }
}

/**
 * Measures how long a GPU was idle between two prompts although jobs waited. The claim loop reports when it finds no
 * job for this instance. Times are ms of one clock.
 */
export class Handovers {
  #lastEnd: number | undefined;
  /** When each pool last had no job for it. */
  readonly #idleAt = new Map<string, number>();
  #closedAt = Number.NEGATIVE_INFINITY;

  /** A prompt ended. */
  ended(at: number): void {
    this.#lastEnd = Math.max(at, this.#lastEnd ?? at);
  }

  /** The pool has no job for it now. */
  hadNothing(pool: string, at: number): void {
    this.#idleAt.set(pool, at);
  }

  /** It can be given no work now, whatever jobs wait. */
  wasClosed(at: number): void {
    this.#closedAt = at;
  }

  /** A prompt of the pool begins. Answers how long the instance was idle, in ms; undefined if it had no job to take. */
  began(pool: string, at: number): number | undefined {
    const end = this.#lastEnd;
    if (end === undefined) return undefined;
    const excusedAt = Math.max(this.#closedAt, this.#idleAt.get(pool) ?? Number.NEGATIVE_INFINITY);
    return excusedAt > end ? undefined : Math.max(0, at - end);
  }
}

const WINDOW_MS = 60_000;

/** Measures the share of the last minute in which something went on. Times are ms of one clock. */
export class BusyMeter {
  readonly #from: number;
  #spans: { readonly start: number; readonly end: number }[] = [];
  #busySince: number | undefined;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #totalMs = 0;
  #reportedMs = 0;

  constructor(now: number) {
    this.#from = now;
  }

  set(busy: boolean, now: number): void {
    if (busy) {
      // The previous end may be reported after this beginning.
      this.#busySince ??= Math.max(now, this.#lastEnd);
    } else if (this.#busySince !== undefined) {
      const end = Math.max(now, this.#busySince);
      this.#spans.push({ start: this.#busySince, end });
      this.#totalMs += end - this.#busySince;
      this.#lastEnd = end;
      this.#busySince = undefined;
      this.#spans = this.#spans.filter((span) => span.end > now - WINDOW_MS);
    }
  }

  /** Total ms of all spans. Never less than the last call answered, though an end may be reported late. */
  total(now: number): number {
    const open = this.#busySince === undefined ? 0 : Math.max(0, now - this.#busySince);
    this.#reportedMs = Math.max(this.#reportedMs, this.#totalMs + open);
    return this.#reportedMs;
  }

  /** From 0 to 1. In the first minute, the share of the time since the beginning. */
  share(now: number): number {
    const start = Math.max(this.#from, now - WINDOW_MS);
    if (now <= start) return 0;
    const open = this.#busySince === undefined ? [] : [{ start: this.#busySince, end: now }];
    const busy = [...this.#spans, ...open].map((span) => Math.max(0, span.end - Math.max(span.start, start)));
    return Math.min(1, busy.reduce((sum, ms) => sum + ms, 0) / (now - start));
  }
}

/**
 * How much work waits in ComfyUI behind the running prompt: more than our longest usual delay (a claim, a poll, a
 * garbage collection, a slow disk under Redis), so that the GPU is never idle because of us.
 */
export const AHEAD_MS = 250;
const MOST_AHEAD = 8;
/** Assumed for an execution without progress reports. */
const UNKNOWN_MS = 30_000;
/** Below this fraction, progress does not predict the rest. */
const LEAST_FRACTION = 0.02;
/** Weight of the newest prompt in the average. */
const NEWEST = 0.3;

interface Execution {
  readonly beganAt: number | undefined;
  readonly progress: { readonly fraction: number };
}

/** Estimates how fast an instance executes its prompts, one after the other. */
export class Pace {
  #ms: number | undefined;
  #lastEnd = 0;

  /**
   * A prompt that began at `began` ended now, in ms of one clock. A prompt that waited behind another began when that
   * one ended.
   */
  ended(began: number, now: number): void {
    const ms = now - Math.max(began, this.#lastEnd);
    this.#lastEnd = now;
    this.#ms = this.#ms === undefined ? ms : this.#ms + NEWEST * (ms - this.#ms);
  }

  /** How long a prompt is expected to take. */
  get expectedMs(): number {
    return this.#ms ?? UNKNOWN_MS;
  }

  /**
   * How long the execution that began at `beganAt` (ms since 1970) is expected to go on: by its progress, else by what
   * prompts take here.
   */
  remainingMs(execution: Execution | undefined): number {
    if (execution?.beganAt === undefined) return this.expectedMs;
    const elapsed = Date.now() - execution.beganAt;
    const { fraction } = execution.progress;
    if (fraction >= LEAST_FRACTION) return (elapsed * (1 - fraction)) / fraction;
    return this.#ms === undefined ? UNKNOWN_MS : Math.max(0, this.#ms - elapsed);
  }

  /** How many prompts should wait behind the running one: one, or more when they are short. */
  get ahead(): number {
    if (this.#ms === undefined) return 1;
    return Math.min(MOST_AHEAD, Math.max(1, Math.ceil(AHEAD_MS / Math.max(1, this.#ms))));
  }
}
