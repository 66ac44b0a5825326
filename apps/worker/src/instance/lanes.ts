import type { TerminalStatus } from '@comfy-fleet/contracts';
import type { HeldJob, Place } from '../job/held-job.js';
import type { Instruments } from '../reporting/instruments.js';
import { BusyMeter } from './busy-meter.js';
import { Handovers } from './handovers.js';
import type { Instance } from './instance.js';
import { Pace } from './pace.js';
import { subjectOf } from './subject.js';

/** What is assumed of an execution that has not said how far it is. */
const UNKNOWN_REMAINING_MS = 30_000;
/**
 * Jobs whose pictures may be on their way at once; when they are too slow the lane takes no more, or all would fail
 * with them.
 */
const MOST_COLLECTING = 16;

/** The jobs of one instance, from their claim until ComfyUI has nothing more to do for them. */
export class Lane implements Place {
  readonly instance: Instance;
  readonly instruments: Instruments;
  /** In which share of the last minute it executed. */
  readonly busy = new BusyMeter(performance.now());
  readonly #pace = new Pace();
  readonly #handovers = new Handovers();
  /** One executes, the others wait behind it in ComfyUI's own queue, so that the GPU never waits for us. */
  readonly #onGpu: HeldJob[] = [];
  readonly #held = new Set<HeldJob>();
  /** Those that began to execute, by when. */
  readonly #begun = new Map<HeldJob, number>();
  #drains = false;
  #expected: HeldJob | undefined;
  #done = 0;
  #failed = 0;
  /** Of the prompt that began last. */
  #checkpoint: string | undefined;

  constructor(instance: Instance, instruments: Instruments) {
    this.instance = instance;
    this.instruments = instruments;
  }

  /** An operator wants it to be given no more prompts; see HaltWatch. */
  get drains(): boolean {
    return this.#drains;
  }

  set drains(drains: boolean) {
    this.#drains = drains;
    this.isOut();
  }

  /** It can be given nothing now, or could not until now. */
  isOut(): void {
    this.#handovers.wasOut(performance.now());
  }

  /** Its instance stands otherwise now. What executes in one that is out of reach nobody knows: it does not count as busy. */
  healthChanged(): void {
    this.isOut();
    this.#showBusy(performance.now());
  }

  #showBusy(at: number): void {
    this.busy.set(this.#begun.size > 0 && this.instance.health.isReachable, at);
  }

  /** The pool has nothing for it. */
  hasNothingOf(pool: string): void {
    this.#handovers.hadNothing(pool, performance.now());
  }

  get isOpen(): boolean {
    const { state, isToBeTried } = this.instance.health;
    return (state === 'up' || isToBeTried) && !this.drains;
  }

  /** Open, and nothing executes or is about to, of ours or of somebody else. */
  get isIdle(): boolean {
    return this.#onGpu.length === 0 && this.instance.prompts === 0 && this.freePlaces > 0;
  }

  /** How many jobs more it can be given: enough for one to execute and some to wait behind it. */
  get freePlaces(): number {
    if (!this.isOpen || this.#held.size - this.#onGpu.length >= MOST_COLLECTING) return 0;
    // It is kept for that one alone until that is there.
    if (this.#expected !== undefined) return 0;
    // Nothing waits behind a trial.
    const ahead = this.instance.health.isToBeTried ? 0 : this.#pace.ahead;
    return Math.max(0, 1 + ahead - this.#onGpu.length);
  }

  /** In the order of their coming, those whose pictures are being fetched included. */
  get jobs(): readonly HeldJob[] {
    return [...this.#held];
  }

  /** Jobs that succeeded and failed here. */
  get done(): number {
    return this.#done;
  }

  get failed(): number {
    return this.#failed;
  }

  /** What executes. */
  get running(): HeldJob | undefined {
    return this.#onGpu.find((job) => this.#begun.has(job));
  }

  /** In ComfyUI's queue, or on their way there. */
  get waiting(): readonly HeldJob[] {
    return this.#onGpu.filter((job) => !this.#begun.has(job));
  }

  /** Those whose pictures are being fetched. */
  get collecting(): readonly HeldJob[] {
    return this.jobs.filter((job) => !this.#onGpu.includes(job));
  }

  get first(): HeldJob | undefined {
    return this.#onGpu[0];
  }

  /** The jobs that wait in ComfyUI behind another one, of ours or of somebody else; the last to begin comes last. */
  get behind(): readonly HeldJob[] {
    return this.#onGpu.filter((job, index) => job.isWaiting && (index > 0 || job.isStuck));
  }

  /** In how many ms a job here is expected to begin; undefined when nothing is before it. */
  waitOf(job: HeldJob): number | undefined {
    const index = this.#onGpu.indexOf(job);
    const [first] = this.#onGpu;
    if (index <= 0 || first === undefined) return undefined;
    return remainingMs(first, this.#pace.ms) + (index - 1) * (this.#pace.ms ?? UNKNOWN_REMAINING_MS);
  }

  /** Keeps the lane for a job that is on its way from another one, until it enters or stays where it was. */
  expect(job: HeldJob): void {
    this.#expected = job;
  }

  unexpect(job: HeldJob): void {
    if (this.#expected === job) this.#expected = undefined;
  }

  enter(job: HeldJob): void {
    this.unexpect(job);
    this.#onGpu.push(job);
    this.#held.add(job);
    this.instance.health.entered(subjectOf(job.record));
  }

  began(job: HeldJob): void {
    if (!this.#onGpu.includes(job) || this.#begun.has(job)) return;
    const { checkpoint } = job.record.request;
    const at = job.heard.began ?? performance.now();
    this.#measure(job, at, checkpoint);
    this.#begun.set(job, at);
    this.#showBusy(at);
    this.instance.loaded(checkpoint);
  }

  #measure({ record }: HeldJob, at: number, checkpoint: string): void {
    const labels = { instance: this.instance.name };
    // What runs before it has ended, though its follower has not said so yet.
    for (const { heard } of this.#begun.keys()) if (heard.ended !== undefined) this.#handovers.ended(heard.ended);
    const gapMs = this.#handovers.began(record.pool, at);
    if (gapMs !== undefined) this.instruments.gaps.observe(labels, gapMs / 1000);
    if (this.#checkpoint !== undefined && this.#checkpoint !== checkpoint) this.instruments.switches.inc(labels);
    this.#checkpoint = checkpoint;
  }

  ended(status: TerminalStatus): void {
    if (status === 'succeeded') this.#done += 1;
    if (status === 'failed') this.#failed += 1;
  }

  leaveGpu(job: HeldJob): void {
    const index = this.#onGpu.indexOf(job);
    if (index >= 0) this.#onGpu.splice(index, 1);
    const now = performance.now();
    const began = this.#begun.get(job);
    if (began === undefined) return;
    const end = job.heard.ended ?? now;
    this.#pace.ended(began, now);
    this.#handovers.ended(end);
    this.#begun.delete(job);
    this.#showBusy(end);
  }

  leave(job: HeldJob): void {
    this.leaveGpu(job);
    this.#held.delete(job);
    this.instance.health.left(job.record.id);
  }
}

/** How long what executes is expected to go on: by how far it has come, else by what prompts here take. */
function remainingMs({ beganAt, fraction }: HeldJob, pace: number | undefined): number {
  if (beganAt === undefined) return pace ?? UNKNOWN_REMAINING_MS;
  const elapsed = Date.now() - beganAt;
  if (fraction >= 0.02) return (elapsed * (1 - fraction)) / fraction;
  return pace === undefined ? UNKNOWN_REMAINING_MS : Math.max(0, pace - elapsed);
}
