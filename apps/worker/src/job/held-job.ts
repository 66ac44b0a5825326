import type { InstanceUnreachable } from '@comfy-fleet/comfyui';
import type { Claim, JobRecord, Outcome, Verdict } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance, PromptNews } from '../instance/instance.js';
import type { Slot, Slots } from '../slots/slots.js';
import { type BoundGraph, Submission } from '../submission/submission.js';
import { NewsFeed } from '../waiting.js';
import { Canceled, Superseded, TakenBack } from './signals.js';
import type { Tools } from './tools.js';

/** How long a foreign prompt is assumed to take. */
const UNKNOWN_WAIT_MS = 60_000;

/** News for a job's follower: events of its prompt, and `attention` when it should check the ledger. */
export type JobNews = PromptNews | { readonly type: 'attention' };

/** A job under one claim, in the slot where it runs. */
export class HeldJob {
  readonly claim: Claim;
  /** Aborts when the worker cannot wait for the job any longer. */
  readonly signal: AbortSignal;
  /** How long to wait for an instance that is unreachable while it has the prompt. */
  readonly patienceMs: number;
  readonly news = new NewsFeed<JobNews>();
  /** The submission that an earlier claim left, until it is adopted or given up. */
  left: string | undefined;
  /**
   * Submissions that began executing, including those of earlier claims, except those that failed for a fault of an
   * instance.
   */
  attempts: number;
  /** How often the GPU ran out of memory, including under earlier claims. */
  ooms: number;
  /** This claim or an earlier one may have stored outputs. */
  mayHaveStored: boolean;
  readonly #log: Logger;
  #slot: Slot;
  #cancelRequested: boolean;

  constructor(
    claim: Claim,
    slots: Slots,
    { log, ending, unreachableMs }: Pick<Tools, 'log' | 'ending' | 'unreachableMs'>,
  ) {
    const { record } = claim;
    this.claim = claim;
    this.signal = ending;
    this.patienceMs = unreachableMs;
    this.left = record.promptId ?? undefined;
    this.attempts = record.attempts - record.faultyAttempts;
    this.ooms = record.ooms;
    this.mayHaveStored = record.claim > 1;
    this.#log = log.child({ job: record.id });
    this.#cancelRequested = record.status === 'canceling';
    this.#slot = this.#take(slots);
  }

  get record(): JobRecord {
    return this.claim.record;
  }

  get slot(): Slot {
    return this.#slot;
  }

  get instance(): Instance {
    return this.#slot.instance;
  }

  /** The job's prompt at the instance, until it is lost. */
  get submission(): Submission | undefined {
    return this.#slot.submission;
  }

  get log(): Logger {
    return this.#log.child({ instance: this.instance.name });
  }

  get cancelRequested(): boolean {
    return this.#cancelRequested;
  }

  /** Labels of the job's metrics. */
  get labels(): { readonly pool: string; readonly lod: string } {
    const { pool, lod } = this.record;
    return { pool, lod };
  }

  /**
   * Records a submission before it is sent to ComfyUI, and starts to observe it. Throws when the job should stop or is
   * no longer ours.
   */
  async recordSubmission(promptId: string, bound: BoundGraph): Promise<Submission> {
    const { waitMs } = this.#slot;
    const expectedStart = waitMs === undefined ? undefined : Date.now() + waitMs;
    const verdict = await this.claim.submit(promptId, this.instance.name, expectedStart);
    if (verdict === 'recalled') throw new TakenBack();
    this.obey(verdict);
    if (this.#cancelRequested) throw new Canceled();
    return this.#open(promptId, bound);
  }

  /** Takes over the submission that an earlier claim left here. */
  takeOver(promptId: string, bound: BoundGraph): Submission {
    this.left = undefined;
    const { startedAt, progress } = this.record;
    return this.#open(promptId, bound, { startedAt, fraction: progress.fraction });
  }

  #open(promptId: string, bound: BoundGraph, adopted?: { startedAt: number | null; fraction: number }): Submission {
    const { meter } = this.#slot.slots;
    this.#slot.submission = new Submission({
      promptId,
      bound,
      request: this.record.request,
      instance: this.instance,
      onNews: (news) => this.news.push(news),
      onLoads: (loads) => meter.loaded(loads),
      ...(adopted === undefined ? {} : { adopted }),
    });
    return this.#slot.submission;
  }

  /** Moves the job to other slots. ComfyUI no longer has it here. */
  moveTo(slots: Slots): void {
    this.#slot.leave();
    this.#slot = this.#take(slots);
    this.#slot.movedAt = Date.now();
  }

  #take(slots: Slots): Slot {
    return slots.take(this.record, () => this.news.push({ type: 'attention' }));
  }

  /** Applies a transition's verdict; throws Superseded when the job is no longer ours. */
  obey(verdict: Verdict): void {
    if (verdict === 'superseded') throw new Superseded();
    if (verdict === 'canceling') this.#cancelRequested = true;
  }

  /**
   * The instance does not answer any more. If it refuses connections, it died, which no validation of a graph causes. A job
   * is excused only once: submissions of another key could hide that its graph makes every instance hang.
   */
  fellSilent({ isRefused }: InstanceUnreachable): void {
    const { submission, slot, record } = this;
    const isExcusable = !isRefused && record.faultyAttempts === 0;
    if (submission !== undefined) submission.isBystander = isExcusable && slot.slots.mayHangForOther(record);
  }

  /** The instance was silent for too long; `stage` is what it did with the job when the silence began. */
  lostToSilence(stage: 'executing' | 'waiting'): void {
    const { submission } = this;
    this.slot.slots.fellSilent();
    if (submission === undefined) return;
    submission.instanceSilent = true;
    if (stage === 'waiting' || submission.hasBegun || submission.isBystander) return;
    // The instance hung before its socket could report the beginning.
    submission.hasBegun = true;
    this.attempts += 1;
  }

  /** Ends the job and records how its last submission spent its time. */
  finish(outcome: Outcome, executed: string | undefined): ReturnType<Claim['finish']> {
    return this.claim.finish(outcome, executed, this.submission?.timings);
  }

  /** Checks whether the ledger wants the job canceled, and lets an idle instance recall it when it is stuck. */
  async checkLedger(): Promise<void> {
    const slot = this.#slot;
    const stuck = slot.isStuck && slot.slots.onGpu[0] === slot;
    const verdict = await this.claim.check(stuck ? Date.now() + UNKNOWN_WAIT_MS : undefined);
    if (verdict === 'recalled') slot.askBack();
    else this.obey(verdict);
  }
}
