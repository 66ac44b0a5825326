import { isInService, type TerminalStatus } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import type { Instance } from '../instance/instance.js';
import { subjectOf } from '../instance/scope.js';
import type { Instruments } from '../instruments.js';
import type { Submission } from '../submission/submission.js';
import { GpuMeter } from './gpu-meter.js';

/** A prompt of ours before it would have let it begin in this time, or the job is not the first of its instance. */
const STUCK_MS = 3000;
/**
 * Jobs whose pictures may be on their way at once; when they are too slow the instance takes no more, or all would fail
 * with them.
 */
const MOST_COLLECTING = 16;

/**
 * The slots of one instance: one job executes, the others wait behind it in ComfyUI's own queue, so that the GPU never
 * waits for us.
 */
export class Slots {
  readonly instance: Instance;
  readonly meter: GpuMeter;
  /** In the order of their coming. */
  readonly #taken = new Set<Slot>();
  #drains = false;
  /** The slot elsewhere of the job that these are kept for; see `keepFor`. */
  #awaited: Slot | undefined;
  #done = 0;
  #failed = 0;

  constructor(instance: Instance, instruments: Instruments) {
    this.instance = instance;
    this.meter = new GpuMeter(instance.name, instruments);
    instance.events.on('health', () => {
      this.meter.wasOut();
      this.showBusy(performance.now());
    });
    instance.events.on('rests', () => this.#takeBackRefused());
  }

  /** An operator wants it to be given no more prompts; see HaltWatch. */
  get drains(): boolean {
    return this.#drains;
  }

  set drains(drains: boolean) {
    this.#drains = drains;
    this.meter.wasOut();
  }

  get isOpen(): boolean {
    const { health } = this.instance;
    return (isInService(health) || health.isToBeTried) && !this.drains;
  }

  /** Open, and nothing executes or is about to, of ours or of somebody else. */
  get isIdle(): boolean {
    return this.onGpu.length === 0 && this.instance.prompts === 0 && this.freeSlots > 0;
  }

  /** How many jobs more it can be given: enough for one to execute and some to wait behind it. */
  get freeSlots(): number {
    const taken = this.onGpu.length;
    if (!this.isOpen || this.#taken.size - taken >= MOST_COLLECTING) return 0;
    if (this.#awaited?.target === this) return 0;
    // Nothing waits behind a trial.
    const ahead = this.instance.health.isToBeTried ? 0 : this.meter.pace.ahead;
    return Math.max(0, 1 + ahead - taken);
  }

  /** Of all its jobs, those whose pictures are being fetched included. */
  get all(): readonly Slot[] {
    return [...this.#taken];
  }

  /** What executes. */
  get running(): Slot | undefined {
    return this.onGpu.find(({ executed }) => executed !== undefined);
  }

  /** What executes, or must although its beginning was not heard: the first that ComfyUI accepted. */
  get executing(): Slot | undefined {
    const there = this.onGpu.filter(
      ({ submission }) => submission !== undefined && submission.heard.ended === undefined,
    );
    const begun = there.find(({ submission }) => submission?.hasBegun);
    if (begun !== undefined || this.instance.health.isOccupied) return begun;
    return there.find(({ submission }) => submission?.submittedAt !== undefined);
  }

  /** In ComfyUI's queue, or on their way there. */
  get waiting(): readonly Slot[] {
    return this.onGpu.filter(({ executed }) => executed === undefined);
  }

  /** Those whose pictures are being fetched. */
  get collecting(): readonly Slot[] {
    return this.all.filter(({ isOnGpu }) => !isOnGpu);
  }

  /** The jobs that wait in ComfyUI behind another one, of ours or of somebody else; the last to begin comes last. */
  get behind(): readonly Slot[] {
    return this.onGpu.filter((slot, index) => slot.isWaiting && (index > 0 || slot.isStuck));
  }

  /** Jobs that succeeded and failed here. */
  get done(): number {
    return this.#done;
  }

  get failed(): number {
    return this.#failed;
  }

  /** What executes, and then what waits. */
  get onGpu(): readonly Slot[] {
    return this.all.filter(({ isOnGpu }) => isOnGpu);
  }

  /** Gives the job a slot. `wake` has it look what is wanted of it. */
  take(record: JobRecord, wake: () => void): Slot {
    const slot = new Slot(this, record, wake);
    this.#taken.add(slot);
    this.instance.health.entered(subjectOf(record));
    return slot;
  }

  /** Keeps them for the job of this slot of another instance alone, until it has left that one or stays there. */
  keepFor(slot: Slot): void {
    this.#awaited = slot;
  }

  /** Whether it executes, since `at` or until `at`. What executes in an instance that is out of reach nobody knows. */
  showBusy(at: number): void {
    this.meter.busy.set(this.running !== undefined && this.instance.health.isReachable, at);
  }

  /** What ran before another began has ended, though its follower has not said so yet. */
  noteEnds(): void {
    for (const { executed } of this.#taken) {
      if (executed?.heard.ended !== undefined) this.meter.ended(executed.heard.ended);
    }
  }

  /** What waits here and is no longer given to the instance would only fail there. */
  #takeBackRefused(): void {
    for (const slot of this.behind) {
      if (this.instance.health.permits(subjectOf(slot.record)) === 'no') slot.takeBack();
    }
  }

  /** The job of this slot has left the instance. */
  left(slot: Slot): void {
    if (slot.became === 'succeeded') this.#done += 1;
    if (slot.became === 'failed') this.#failed += 1;
    this.#taken.delete(slot);
    this.instance.health.left(slot.record.id);
  }
}

/** A job's slot of an instance, from when it is placed there; it leaves the GPU before its pictures are fetched. */
export class Slot {
  readonly slots: Slots;
  readonly record: JobRecord;
  /** What ComfyUI was given of the job, until it is lost. */
  submission: Submission | undefined;
  /** When the job was last moved from one instance's queue to another, ms since 1970; null: never. */
  movedAt: number | null;
  /** How its job ended here. */
  became: TerminalStatus | undefined;
  readonly #wake: () => void;
  #isOnGpu = true;
  #executed: { readonly since: number; readonly heard: Submission['heard'] } | undefined;
  #isAskedBack = false;
  #target: Slots | undefined;

  constructor(slots: Slots, record: JobRecord, wake: () => void) {
    this.slots = slots;
    this.record = record;
    this.movedAt = record.movedAt;
    this.#wake = wake;
  }

  get instance(): Instance {
    return this.slots.instance;
  }

  /** It executes, or is to. */
  get isOnGpu(): boolean {
    return this.#isOnGpu;
  }

  /** What began to execute in this slot, as long as the job is on the GPU; `since` is by performance.now(). */
  get executed(): { readonly since: number; readonly heard: Submission['heard'] } | undefined {
    return this.#executed;
  }

  /** In ComfyUI, as far as we know, and not begun, nor asked back. */
  get isWaiting(): boolean {
    const { submission } = this;
    return submission?.submittedAt !== undefined && !submission.hasBegun && !this.#isAskedBack;
  }

  /** What the instance does with the job; undefined: nothing (any more), or it may not have accepted it. */
  get stage(): 'executing' | 'waiting' | undefined {
    if (!this.#isOnGpu) return undefined;
    if (this.slots.executing === this) return 'executing';
    return this.submission?.submittedAt !== undefined && !this.submission.hasBegun ? 'waiting' : undefined;
  }

  /** Waits so long that it must be behind a prompt that is not ours. */
  get isStuck(): boolean {
    return this.isWaiting && performance.now() - (this.submission?.submittedAt ?? 0) > STUCK_MS;
  }

  /** In how many ms the job is expected to begin; undefined when nothing is before it. */
  get waitMs(): number | undefined {
    const { onGpu, meter } = this.slots;
    const index = onGpu.indexOf(this);
    if (index <= 0) return undefined;
    return meter.pace.remainingMs(onGpu[0]?.submission) + (index - 1) * meter.pace.expectedMs;
  }

  /** The job should look what is wanted of it. */
  attend(): void {
    this.#wake();
  }

  /** Wants the job out of ComfyUI's queue, if it has not begun: for idle slots of ours, or for whoever claims it next. */
  takeBack(target?: Slots): void {
    this.#target = target;
    target?.keepFor(this);
    this.askBack();
    this.attend();
  }

  /** As `takeBack`, said by the job's own follower. */
  askBack(): void {
    this.#isAskedBack = true;
  }

  get isToBeTakenBack(): boolean {
    return this.#isAskedBack && this.submission?.hasBegun !== true;
  }

  /** The slots that are kept for it. */
  get target(): Slots | undefined {
    return this.#target;
  }

  /** Ends the taking back: it was taken back, or it had begun. Answers the slots that were kept for it. */
  endTakeBack(): Slots | undefined {
    const target = this.#target;
    this.#isAskedBack = false;
    this.#target = undefined;
    return target;
  }

  /** ComfyUI executes it. */
  began(): void {
    this.endTakeBack();
    if (!this.#isOnGpu || this.#executed !== undefined) return;
    const heard = this.submission?.heard ?? {};
    const since = heard.began ?? performance.now();
    this.submission?.began();
    this.slots.noteEnds();
    this.slots.meter.began(this.record, since, this.submission?.isAdopted);
    this.#executed = { since, heard };
    this.slots.showBusy(since);
  }

  /** ComfyUI has nothing of the submission (any more). */
  drop(): void {
    this.submission?.stopListening();
    this.submission = undefined;
  }

  /** The GPU has nothing more to do for the job. */
  leaveGpu(): void {
    this.endTakeBack();
    if (!this.#isOnGpu) return;
    this.#isOnGpu = false;
    if (this.slots.onGpu.length === 0) this.instance.models.nothingComes();
    const executed = this.#executed;
    if (executed === undefined) return;
    this.#executed = undefined;
    const now = performance.now();
    const end = executed.heard.ended ?? now;
    this.slots.meter.pace.ended(executed.since, now);
    this.slots.meter.ended(end);
    this.slots.showBusy(end);
  }

  leave(): void {
    this.leaveGpu();
    this.submission?.stopListening();
    this.slots.left(this);
  }
}
