import { filesOf, isInService, type TerminalStatus } from '@comfy-fleet/contracts';
import { type JobRecord, signatureOf } from '@comfy-fleet/jobs';
import type { Instance } from '../instance/instance.js';
import { subjectOf } from '../instance/scope.js';
import type { Instruments } from '../instruments.js';
import type { Submission } from '../submission/submission.js';
import { AHEAD_MS, GpuMeter } from './gpu-meter.js';
import { type ComingJob, KeptResults, type KeptResultsOptions } from './kept-results.js';
import { Paces } from './paces.js';
import { SlotHint } from './slot-hint.js';

/** A submitted job that has not begun after this time waits behind another one of ours, or behind a foreign prompt. */
const STUCK_MS = 3000;
/**
 * Jobs whose outputs may be collected at the same time. If storing is too slow, the instance takes no more jobs;
 * otherwise all of them would fail. One key has at most half of these places, see `fullKeys`.
 */
const MOST_COLLECTING = 32;

interface SlotsOptions extends KeptResultsOptions {
  readonly instruments: Instruments;
}

/**
 * The slots of one instance: one job executes, the others wait behind it in ComfyUI's queue, so that the GPU never
 * waits for us.
 */
export class Slots {
  readonly instance: Instance;
  readonly meter: GpuMeter;
  /** Its ComfyUI's hint, which encodes texts of several jobs ahead and belongs to none; see encode-ahead/hints.ts. */
  readonly hint: SlotHint;
  readonly #keptResults: KeptResults;
  /** In the order in which they were taken. */
  readonly #taken = new Set<Slot>();
  #drains = false;
  /** The slot at another instance of the job for which these are reserved; see `reserveFor`. */
  #reservedFor: Slot | undefined;
  /** When a job was last given up because the instance did not answer. */
  #silentAt: number | undefined;
  /** How many jobs succeeded and failed here. */
  readonly ended = { succeeded: 0, failed: 0 };
  readonly paces = new Paces();

  constructor({ instance, instruments, ...kept }: SlotsOptions) {
    this.instance = instance;
    this.#keptResults = new KeptResults({ instance, ...kept });
    this.meter = new GpuMeter(instance.name, instruments);
    this.hint = new SlotHint({
      began: (record, at) => this.#hintBegan(record, at),
      ended: (at) => this.#hintEnded(at),
    });
    instance.events.on('health', () => {
      this.meter.wasClosed();
      this.updateBusy(performance.now());
    });
    instance.events.on('rests', () => this.#takeBackRefused());
  }

  /** Operators are draining the instance: it gets no more prompts; see PauseWatch. */
  get drains(): boolean {
    return this.#drains;
  }

  set drains(drains: boolean) {
    this.#drains = drains;
    this.meter.wasClosed();
  }

  get isOpen(): boolean {
    const { health } = this.instance;
    return (isInService(health) || health.isToBeTried) && !this.drains;
  }

  /** Open, and nothing executes or is about to, whether ours or somebody else's. */
  get isIdle(): boolean {
    return this.onGpu.length === 0 && this.instance.prompts === 0 && this.freeSlots > 0;
  }

  /** How many more jobs it can be given: enough for one to execute and some to wait behind it. */
  get freeSlots(): number {
    if (!this.isOpen || this.collecting.length >= MOST_COLLECTING) return 0;
    if (this.#reservedFor?.target === this) return 0;
    // Nothing waits behind a trial.
    const ahead = this.instance.health.isToBeTried ? 0 : this.#isSlow ? 1 : this.meter.pace.ahead;
    return Math.max(0, 1 + ahead - this.onGpu.length);
  }

  /**
   * Keys whose jobs it refuses for now, because a key may have no more jobs in collection than places are left. So no key
   * can close the instance to others, however slow its outputs are to collect.
   */
  get fullKeys(): readonly string[] {
    const keys = this.collecting.map(({ record }) => record.key);
    const left = MOST_COLLECTING - keys.length;
    return [...new Set(keys)].filter((key) => keys.filter((one) => one === key).length >= left);
  }

  /** The slots of all its jobs, including those whose outputs are being collected. */
  get all(): readonly Slot[] {
    return [...this.#taken];
  }

  /** The slot whose job executes. */
  get running(): Slot | undefined {
    return this.onGpu.find(({ executed }) => executed !== undefined);
  }

  #hintBegan(record: JobRecord, at: number): void {
    this.recordEnds();
    this.meter.began(record, at);
    this.updateBusy(at);
  }

  #hintEnded(at: number): void {
    this.meter.ended(at);
    this.updateBusy(at);
  }

  /** The hint executes, or must execute although its beginning was not reported. */
  get hintExecutes(): boolean {
    const { isThere, isRunning } = this.hint;
    if (!isThere || isRunning || this.#mayExecuteOther) return isRunning;
    return this.#there.every(({ submission }) => this.hint.isBefore(submission?.submittedAt));
  }

  /** The slots whose prompts ComfyUI has, or will have. */
  get #there(): readonly Slot[] {
    return this.onGpu.filter(({ submission }) => submission !== undefined && submission.observed.ended === undefined);
  }

  /**
   * The slot whose job executes, or must execute although its beginning was not reported: the first one that ComfyUI
   * accepted.
   */
  get executing(): Slot | undefined {
    const there = this.#there;
    const begun = there.find(({ submission }) => submission?.hasBegun);
    if (begun !== undefined || this.#mayExecuteOther) return begun;
    const first = there.find(({ submission }) => submission?.submittedAt !== undefined);
    const isFirst = this.hint.awaySince(first?.submission?.submittedAt ?? 0) !== undefined;
    return isFirst ? first : undefined;
  }

  /** The instance did not answer for so long that a job was given up. Those behind it have not begun, as far as we know. */
  fellSilent(): void {
    this.#silentAt = performance.now();
  }

  /** The executing prompt takes longer than expected when several prompts were submitted ahead. */
  get #isSlow(): boolean {
    const since = this.running?.executed?.since;
    return since !== undefined && performance.now() - since > AHEAD_MS;
  }

  /**
   * Takes back all but the first of the waiting jobs if the prompts are long after all: short prompts of a key must not
   * make other keys wait for many long ones.
   */
  takeBackSurplus(): void {
    if (!this.#isSlow) return;
    for (const slot of this.behind.slice(1)) slot.takeBack();
  }

  /** What it executes may be none of the jobs that have slots here. */
  get #mayExecuteOther(): boolean {
    const { health } = this.instance;
    const isSilent = this.#silentAt !== undefined && !health.wasReachedWithin(performance.now() - this.#silentAt);
    return health.isOccupied || health.isHung || isSilent;
  }

  /**
   * Whether ComfyUI took the files of a job of another key, but has not answered its submission: it lists its whole input
   * folder for each node that loads a file, and answers no requests meanwhile.
   */
  mayHangForOther({ key }: JobRecord): boolean {
    return this.onGpu.some(
      ({ submission, record }) =>
        submission !== undefined &&
        submission.submittedAt === undefined &&
        !submission.isAdopted &&
        record.key !== key &&
        filesOf(record.request).length > 0,
    );
  }

  /**
   * Frees ComfyUI's memory of earlier results if those of the `next` job could exceed it. To be called before the
   * submission of a prompt, and when one begins, because its results can be dropped only when it has ended.
   */
  async makeRoom(signal: AbortSignal, next?: ComingJob): Promise<void> {
    const waiting = this.#there.flatMap(({ record, submission }) =>
      submission?.hasBegun === true ? [] : [{ record, nodes: Object.keys(submission?.graph ?? {}).length }],
    );
    await this.#keptResults.makeRoom(waiting, next, signal);
  }

  /** Jobs in ComfyUI's queue or on their way there. */
  get waiting(): readonly Slot[] {
    return this.onGpu.filter(({ executed }) => executed === undefined);
  }

  /** Jobs whose outputs are being collected. */
  get collecting(): readonly Slot[] {
    return this.all.filter(({ isOnGpu }) => !isOnGpu);
  }

  /** The jobs that wait in ComfyUI behind another prompt, ours or somebody else's. The last to begin comes last. */
  get behind(): readonly Slot[] {
    return this.onGpu.filter((slot, index) => slot.isWaiting && (index > 0 || slot.isStuck));
  }

  /** The running job, then the waiting ones. */
  get onGpu(): readonly Slot[] {
    return this.all.filter(({ isOnGpu }) => isOnGpu);
  }

  /** Gives the job a slot. `wake` makes the job's follower check the ledger. */
  take(record: JobRecord, wake: () => void): Slot {
    const slot = new Slot(this, record, wake);
    this.#taken.add(slot);
    this.instance.health.entered(subjectOf(record));
    return slot;
  }

  /** Reserves these slots for the job of a slot at another instance, until it arrives or stays there. */
  reserveFor(slot: Slot): void {
    this.#reservedFor = slot;
  }

  /** Starts or stops the busy time at `at`. What an unreachable instance executes is unknown. */
  updateBusy(at: number): void {
    const isBusy = this.running !== undefined || this.hint.isRunning;
    this.meter.busy.set(isBusy && this.instance.health.isReachable, at);
  }

  /** Prompts that ran before another one began have ended, though their followers may not have reported it yet. */
  recordEnds(): void {
    for (const { executed } of this.#taken) {
      if (executed?.observed.ended !== undefined) this.meter.ended(executed.observed.ended);
    }
  }

  /** Takes back waiting jobs that the instance is no longer given; they would only fail there. */
  #takeBackRefused(): void {
    for (const slot of this.behind) {
      if (this.instance.health.permits(subjectOf(slot.record)) === 'no') slot.takeBack();
    }
  }

  /** The job of this slot has left the instance. */
  left(slot: Slot): void {
    if (slot.became === 'succeeded' || slot.became === 'failed') this.ended[slot.became] += 1;
    const { executedMs, loadedMs = 0 } = slot.submission ?? {};
    if (slot.became === 'succeeded' && executedMs !== undefined) {
      this.paces.learn(signatureOf(slot.record.request), Math.max(0, executedMs - loadedMs));
    }
    this.#taken.delete(slot);
    this.instance.health.left(slot.record.id);
  }
}

/**
 * A job's slot at an instance, from the time the job is placed there. The job leaves the GPU before its outputs are
 * collected.
 */
export class Slot {
  readonly slots: Slots;
  readonly record: JobRecord;
  /** The job's prompt at this instance, until it is lost. */
  submission: Submission | undefined;
  /** When the job last moved from one instance to another, ms since 1970; null: never. */
  movedAt: number | null;
  /** How the job ended here. */
  became: TerminalStatus | undefined;
  readonly #wake: () => void;
  #isOnGpu = true;
  #executed: { readonly since: number; readonly observed: Submission['observed'] } | undefined;
  #isAskedBack = false;
  #target: Slots | undefined;
  #checks: NodeJS.Timeout | undefined;

  constructor(slots: Slots, record: JobRecord, wake: () => void) {
    this.slots = slots;
    this.record = record;
    this.movedAt = record.movedAt;
    this.#wake = wake;
  }

  get instance(): Instance {
    return this.slots.instance;
  }

  /** The job executes or is going to. */
  get isOnGpu(): boolean {
    return this.#isOnGpu;
  }

  /** The execution in this slot, while the job is on the GPU; `since` is by performance.now(). */
  get executed(): { readonly since: number; readonly observed: Submission['observed'] } | undefined {
    return this.#executed;
  }

  /** Accepted by ComfyUI as far as we know, not begun, and not being taken back. */
  get isWaiting(): boolean {
    const { submission } = this;
    return submission?.submittedAt !== undefined && !submission.hasBegun && !this.#isAskedBack;
  }

  /** What the instance does with the job; undefined: nothing, or it may not have accepted it. */
  get stage(): 'executing' | 'waiting' | undefined {
    if (!this.#isOnGpu) return undefined;
    if (this.slots.executing === this) return 'executing';
    return this.submission?.submittedAt !== undefined && !this.submission.hasBegun ? 'waiting' : undefined;
  }

  /** It has waited so long that it must be behind a foreign prompt. */
  get isStuck(): boolean {
    const since = this.slots.hint.awaySince(this.submission?.submittedAt ?? 0);
    return this.isWaiting && since !== undefined && performance.now() - since > STUCK_MS;
  }

  /** In how many ms the job is expected to begin; undefined when nothing is before it. */
  get waitMs(): number | undefined {
    const { onGpu, meter } = this.slots;
    const index = onGpu.indexOf(this);
    if (index <= 0) return undefined;
    return meter.pace.remainingMs(onGpu[0]?.submission) + (index - 1) * meter.pace.expectedMs;
  }

  /** Makes the job's follower check the ledger. */
  notify(): void {
    this.#wake();
  }

  /** Takes the job out of ComfyUI's queue unless it has begun: for these idle slots of ours, or for the next claim. */
  takeBack(target?: Slots): void {
    this.#target = target;
    target?.reserveFor(this);
    this.askBack();
    this.notify();
  }

  /** Like `takeBack`, for the job's own follower, which needs no notification. */
  askBack(): void {
    this.#isAskedBack = true;
  }

  get isToBeTakenBack(): boolean {
    return this.#isAskedBack && this.submission?.hasBegun !== true;
  }

  /** The slots that are reserved for the job. */
  get target(): Slots | undefined {
    return this.#target;
  }

  /** Ends the taking back, because the job was taken back or has begun. Answers the slots that were reserved for it. */
  endTakeBack(): Slots | undefined {
    const target = this.#target;
    this.#isAskedBack = false;
    this.#target = undefined;
    return target;
  }

  /** ComfyUI executes the job. */
  began(): void {
    this.endTakeBack();
    if (!this.#isOnGpu || this.#executed !== undefined) return;
    const observed = this.submission?.observed ?? {};
    const since = observed.began ?? performance.now();
    this.submission?.began();
    this.slots.recordEnds();
    this.slots.meter.began(this.record, since, this.submission?.isAdopted);
    this.#executed = { since, observed };
    this.slots.updateBusy(since);
    this.#checks = setInterval(() => this.slots.takeBackSurplus(), AHEAD_MS).unref();
  }

  /** ComfyUI no longer has the submission. */
  drop(): void {
    this.submission?.stopListening();
    this.submission = undefined;
  }

  /** The GPU has nothing more to do for the job. */
  leaveGpu(): void {
    this.endTakeBack();
    if (!this.#isOnGpu) return;
    this.#isOnGpu = false;
    clearInterval(this.#checks);
    if (this.slots.onGpu.length === 0) this.instance.models.queueEmptied();
    const executed = this.#executed;
    if (executed === undefined) return;
    this.#executed = undefined;
    const now = performance.now();
    const end = executed.observed.ended ?? now;
    this.slots.meter.pace.ended(executed.since, now);
    this.slots.meter.ended(end);
    this.slots.updateBusy(end);
  }

  leave(): void {
    this.leaveGpu();
    this.submission?.stopListening();
    this.slots.left(this);
  }
}
