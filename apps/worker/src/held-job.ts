import type { Claim, JobRecord, Verdict } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance, PromptNews } from './instance.js';
import { NewsFeed } from './news-feed.js';
import { Canceled, Superseded } from './signals.js';

/** What its follower hears of a job: the instance's news of its prompt, and that its caller may want it stopped. */
export type JobNews = PromptNews | { readonly type: 'attention' };

/** A claimed job on the instance that is to run it, or already does. */
export class HeldJob {
  readonly claim: Claim;
  readonly instance: Instance;
  readonly log: Logger;
  /** Aborts when the worker cannot wait for the job any longer. */
  readonly signal: AbortSignal;
  readonly news = new NewsFeed<JobNews>();
  #cancelRequested: boolean;
  #promptId: string | undefined;
  #unwatch: () => void = () => {};
  #attempts: number;
  #counted: string | undefined;

  constructor(claim: Claim, instance: Instance, log: Logger, signal: AbortSignal) {
    this.claim = claim;
    this.instance = instance;
    this.log = log.child({ job: claim.record.id, instance: instance.name });
    this.signal = signal;
    this.#cancelRequested = claim.record.status === 'canceling';
    this.#attempts = claim.record.attempts;
    // A submission found running was counted by the claim that started it.
    if (claim.record.startedAt !== null) this.#counted = claim.record.promptId ?? undefined;
  }

  get record(): JobRecord {
    return this.claim.record;
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

  /** Hears the instance's news of this submission from now on; before ComfyUI is asked, or the first would be missed. */
  watch(promptId: string): void {
    this.#promptId = promptId;
    this.#unwatch();
    this.#unwatch = this.instance.listen(promptId, (news) => this.news.push(news));
  }

  unwatch(): void {
    this.#unwatch();
  }

  /** Its caller may want it stopped: the follower is to ask the ledger. */
  attend(): void {
    this.news.push({ type: 'attention' });
  }

  /** ComfyUI executes the current submission; the first time this is heard it counts as an attempt. */
  async began(promptId: string): Promise<void> {
    this.note(await this.claim.start(promptId));
    if (this.#counted === promptId) return;
    this.#counted = promptId;
    this.#attempts += 1;
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
}
