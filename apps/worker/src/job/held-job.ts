import type { TerminalStatus } from '@comfy-fleet/contracts';
import type { Claim, InstanceFault, JobRecord, Loss, Verdict } from '@comfy-fleet/jobs';
import { type Logger, noteEvent, noteFacts } from '@comfy-fleet/telemetry';
import type { Instance, PromptNews } from '../instance/instance.js';
import { NewsFeed } from '../news-feed.js';
import type { Instruments } from '../reporting/instruments.js';
import { Canceled, Superseded } from './signals.js';

/** An execution shorter than this is noted with its end, in one step: nobody could have seen it run. */
const NOTE_MS = 20;
/** A prompt of ours before it would have let it begin in this time, or the job is not the first of its lane. */
const STUCK_MS = 3000;
/** What is assumed of somebody else's prompt. */
const UNKNOWN_WAIT_MS = 60_000;

/**
 * What its follower hears of a job: the instance's news of its prompt, and that it should look what is wanted of it.
 */
export type JobNews = PromptNews | { readonly type: 'attention' };

/** What a job needs of the lane it is on; see Lane. */
export interface Place {
  readonly instance: Instance;
  readonly instruments: Instruments;
  /** Its instance can be given work. */
  readonly isOpen: boolean;
  /** The job that is, or will be, executed before any other here. */
  readonly first: HeldJob | undefined;
  /** In how many ms the job is expected to begin; undefined when nothing is before it. */
  waitOf(job: HeldJob): number | undefined;
  enter(job: HeldJob): void;
  /** ComfyUI executes it. */
  began(job: HeldJob): void;
  /** Counts how it ended. */
  ended(status: TerminalStatus): void;
  leaveGpu(job: HeldJob): void;
  leave(job: HeldJob): void;
  expect(job: HeldJob): void;
  unexpect(job: HeldJob): void;
}

/** A claimed job on the lane that is to run it, or already does. */
export class HeldJob {
  readonly claim: Claim;
  /** Aborts when the worker cannot wait for the job any longer. */
  readonly signal: AbortSignal;
  readonly news = new NewsFeed<JobNews>();
  readonly #log: Logger;
  #lane: Place;
  #cancelRequested: boolean;
  #takeBack = false;
  #target: Place | undefined;
  #promptId: string | undefined;
  #left: string | undefined;
  #submittedAt: number | undefined;
  #began: string | undefined;
  #beganAt: number | undefined;
  #executedMs: number | undefined;
  /** The submission whose beginning is on the record by this claim. */
  #noted: string | undefined;
  #attempts: number;
  #unwatch: () => void = () => {};
  #heard: { began?: number; ended?: number; node?: string } = {};
  /** Told how far the execution is, 0 to 1. */
  fraction = 0;
  kills: number;
  ooms: number;
  /** The instance died, or was restarted, while it had the submission. */
  instanceDied = false;
  /** ComfyUI may execute its submission for longer than there is a job. */
  isInDoubt = false;
  /** Its pictures are being stored. */
  isCollecting = false;

  constructor(claim: Claim, lane: Place, log: Logger, signal: AbortSignal) {
    const { record } = claim;
    this.claim = claim;
    this.signal = signal;
    this.#log = log.child({ job: record.id });
    this.#lane = lane;
    this.#cancelRequested = record.status === 'canceling';
    this.#attempts = record.attempts;
    this.#left = record.promptId ?? undefined;
    this.kills = record.kills;
    this.ooms = record.ooms;
    // A submission found running was counted by the claim that started it.
    if (record.startedAt !== null) {
      this.#began = record.promptId ?? undefined;
      // Its time runs from there.
      this.#beganAt = record.startedAt;
    }
    lane.enter(this);
  }

  get record(): JobRecord {
    return this.claim.record;
  }

  get lane(): Place {
    return this.#lane;
  }

  get instance(): Instance {
    return this.#lane.instance;
  }

  get log(): Logger {
    return this.#log.child({ instance: this.instance.name });
  }

  get cancelRequested(): boolean {
    return this.#cancelRequested;
  }

  /** Submissions that began executing, with those of earlier claims. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The submission that is, or was last, in ComfyUI. */
  get promptId(): string | undefined {
    return this.#promptId;
  }

  /** The submission that an earlier claim left, as long as it has not been given up. */
  get left(): string | undefined {
    return this.#left;
  }

  /** In ComfyUI, as far as we know, and not begun. */
  get isWaiting(): boolean {
    return this.#submittedAt !== undefined && !this.hasBegun && !this.#takeBack;
  }

  /** Waits so long that it must be behind a prompt that is not ours. */
  get isStuck(): boolean {
    return this.isWaiting && this.#submittedAt !== undefined && performance.now() - this.#submittedAt > STUCK_MS;
  }

  /** Whether the current submission executes, or did. */
  get hasBegun(): boolean {
    return this.#promptId !== undefined && this.#began === this.#promptId;
  }

  /** ms since 1970, by our clock; undefined while it has not begun. */
  get beganAt(): number | undefined {
    return this.hasBegun ? this.#beganAt : undefined;
  }

  /**
   * Hears the instance's news of this submission from now on; before ComfyUI is asked, or the first would be missed.
   */
  watch(promptId: string): void {
    noteFacts({ 'comfy_fleet.prompt_id': promptId });
    this.#promptId = promptId;
    this.#submittedAt = undefined;
    if (this.#began !== promptId) this.#beganAt = undefined;
    this.fraction = 0;
    this.#unwatch();
    this.#heard = {};
    this.#unwatch = this.instance.listen(promptId, (news) => this.#hear(news));
  }

  #hear(news: PromptNews): void {
    const { type } = news;
    if (type === 'started') this.#heard.began ??= performance.now();
    if (type === 'succeeded' || type === 'failed' || type === 'interrupted') this.#heard.ended ??= performance.now();
    if (type === 'node') this.#heard.node = news.node;
    this.news.push(news);
  }

  /** When the socket said that the current submission began and ended, by performance.now(), and the node that began last. */
  get heard(): {
    readonly began?: number | undefined;
    readonly ended?: number | undefined;
    readonly node?: string | undefined;
  } {
    return this.#heard;
  }

  unwatch(): void {
    this.#unwatch();
  }

  submitted(): void {
    noteEvent('submitted');
    this.#submittedAt = performance.now();
  }

  /** It should ask the ledger what is wanted of it. */
  attend(): void {
    this.news.push({ type: 'attention' });
  }

  /** Wants it out of ComfyUI's queue, if it has not begun: for an idle lane of ours, or for whoever claims it next. */
  takeBack(target?: Place): void {
    this.#takeBack = true;
    this.#target = target;
    target?.expect(this);
    this.attend();
  }

  get isToBeTakenBack(): boolean {
    return this.#takeBack && !this.hasBegun;
  }

  /** Ends the taking back: it was taken back, or it had begun. Answers the lane that waits for it. */
  endTakeBack(): Place | undefined {
    const target = this.#target;
    target?.unexpect(this);
    this.#takeBack = false;
    this.#target = undefined;
    return target;
  }

  moveTo(lane: Place): void {
    this.#lane.leave(this);
    this.#lane = lane;
    lane.enter(this);
  }

  /** ComfyUI executes the current submission; the first time this is heard it counts as an attempt. */
  began(promptId: string): void {
    if (this.#began !== promptId) {
      this.#began = promptId;
      this.#beganAt = Date.now();
      this.#countAttempt();
      noteEvent('started');
    }
    this.endTakeBack();
    this.#lane.began(this);
  }

  /** In how many ms the beginning is to be noted in the ledger; endless when there is nothing to note. */
  get beginningDueInMs(): number {
    if (this.beganAt === undefined || this.#noted === this.#promptId) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.beganAt + NOTE_MS - Date.now());
  }

  /** Does nothing when it is noted already. */
  async noteBeginning(): Promise<void> {
    if (this.#promptId === undefined || this.#noted === this.#promptId) return;
    this.#noted = this.#promptId;
    this.note(await this.claim.start(this.#promptId));
  }

  /** ComfyUI executed the current submission to its end, whether or not anybody saw it begin. */
  ranToEnd(promptId: string): void {
    if (this.#began !== promptId) this.#countAttempt();
    this.#began = promptId;
    const adopted = promptId === this.#left;
    const ms = this.#beganAt === undefined ? undefined : Date.now() - this.#beganAt;
    this.#executedMs = adopted ? undefined : ms;
    if (ms !== undefined) this.#lane.instruments.jobRun.observe(this.labels, Math.max(0, ms) / 1000);
  }

  #countAttempt(): void {
    this.#attempts += 1;
    if (this.#attempts > 1) return;
    // The clocks of Redis and of this host may differ by some ms.
    const ms = Math.max(0, Date.now() - this.record.createdAt);
    this.#lane.instruments.jobWait.observe(this.labels, ms / 1000);
  }

  /** Of its measures. */
  get labels(): { readonly pool: string; readonly lod: string } {
    const { pool, lod } = this.record;
    return { pool, lod };
  }

  /** How long ComfyUI executed it; undefined unless both its beginning and its end were seen. */
  get executedMs(): number | undefined {
    return this.#executedMs;
  }

  /** Takes a transition's verdict; throws Superseded when the job is no longer ours. */
  note(verdict: Verdict): void {
    if (verdict === 'superseded') throw new Superseded();
    if (verdict === 'canceling') this.#cancelRequested = true;
  }

  /** As `note`, where there is nothing to stop first. */
  noteOrStop(verdict: Verdict): void {
    this.note(verdict);
    if (this.#cancelRequested) throw new Canceled();
  }

  /** ComfyUI has nothing of the submission (any more): it goes off the record. */
  async lose(promptId: string, why: Loss, faults?: readonly InstanceFault[]): Promise<void> {
    // An execution counts, and may count against the job, however short it was.
    if (this.hasBegun && this.#noted !== promptId && this.#left !== promptId) await this.noteBeginning();
    this.#left = undefined;
    this.#promptId = undefined;
    this.#began = undefined;
    this.#submittedAt = undefined;
    this.fraction = 0;
    this.note(await this.claim.lose(promptId, why, faults));
  }

  /** Asks the ledger what is wanted, and lets an idle instance ask for it when it is stuck. */
  async askLedger(): Promise<void> {
    const stuck = this.isStuck && this.#lane.first === this;
    const verdict = await this.claim.look(stuck ? Date.now() + UNKNOWN_WAIT_MS : undefined);
    if (verdict === 'recalled') this.#takeBack = true;
    else this.note(verdict);
  }
}
