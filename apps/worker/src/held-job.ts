import type { Claim, JobRecord, Verdict } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';
import { Canceled, Superseded } from './signals.js';

/** A claimed job on the instance that is to run it, or already does. */
export class HeldJob {
  readonly claim: Claim;
  readonly instance: Instance;
  readonly log: Logger;
  /** Aborts when the worker cannot wait for the job any longer. */
  readonly signal: AbortSignal;
  #cancelRequested: boolean;
  #onAttention: () => void = () => {};
  #promptId: string | undefined;
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

  set promptId(promptId: string) {
    this.#promptId = promptId;
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

  /** Asks the ledger again whether the job is ours and wanted. */
  attend(): void {
    this.#onAttention();
  }

  set onAttention(listener: () => void) {
    this.#onAttention = listener;
  }
}
