import type { JobRecord } from '@comfy-fleet/jobs';
import { checkpointOf } from '../instance/scope.js';
import type { Instruments } from '../instruments.js';
import type { Loads } from '../submission/load-watch.js';
import { BusyMeter } from './busy-meter.js';
import { Pace } from './pace.js';

/** Measures how an instance spends its time: executing, standing still between two prompts, loading other checkpoints. */
export class GpuMeter {
  /** In which share of the last minute it executed. */
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

  /** That of the prompt that began last. */
  get checkpoint(): string | undefined {
    return this.#checkpoint;
  }

  /** It can be given nothing now, or could not until now. */
  wasOut(): void {
    this.#handovers.wasOut(performance.now());
  }

  /** The pool has nothing for it. */
  hadNothing(pool: string): void {
    this.#handovers.hadNothing(pool, performance.now());
  }

  /** A prompt has begun at `at`, by performance.now(). One that was taken over began before, and what was before it is known. */
  began({ pool, request }: Pick<JobRecord, 'pool' | 'request'>, at: number, isAdopted = false): void {
    const checkpoint = checkpointOf(request);
    const labels = { instance: this.#instance };
    const gapMs = isAdopted ? undefined : this.#handovers.began(pool, at);
    if (gapMs !== undefined) this.#instruments.gaps.observe(labels, gapMs / 1000);
    if (this.#checkpoint !== undefined && this.#checkpoint !== checkpoint) this.#instruments.switches.inc(labels);
    this.#checkpoint = checkpoint;
  }

  /** A prompt is over of whose models this was seen. */
  loaded({ ms, avoided }: Loads): void {
    const labels = { instance: this.#instance };
    if (avoided) this.#instruments.loadsAvoided.inc(labels);
    if (ms === undefined) return;
    this.#instruments.loads.inc(labels);
    this.#instruments.loadSeconds.inc(labels, ms / 1000);
  }

  /** A prompt has ended at `at`, though its follower may not have said so yet. */
  ended(at: number): void {
    this.#handovers.ended(at);
  }
}

/**
 * How long a GPU stood still between two prompts although jobs waited. That they did is known from the claimer: it says
 * so when it finds nothing for this instance. Times are ms of one clock.
 */
export class Handovers {
  #lastEnd: number | undefined;
  /** When a pool last had nothing for it, by pool. */
  readonly #idleAt = new Map<string, number>();
  #outAt = Number.NEGATIVE_INFINITY;

  /** A prompt has ended. */
  ended(at: number): void {
    this.#lastEnd = Math.max(at, this.#lastEnd ?? at);
  }

  /** The pool has nothing for it now. */
  hadNothing(pool: string, at: number): void {
    this.#idleAt.set(pool, at);
  }

  /** It can be given nothing now, whatever waits. */
  wasOut(at: number): void {
    this.#outAt = at;
  }

  /** A prompt of the pool begins. Answers how long the instance was idle, in ms; undefined if it had no job to take. */
  began(pool: string, at: number): number | undefined {
    const end = this.#lastEnd;
    if (end === undefined) return undefined;
    const excusedAt = Math.max(this.#outAt, this.#idleAt.get(pool) ?? Number.NEGATIVE_INFINITY);
    return excusedAt > end ? undefined : Math.max(0, at - end);
  }
}
