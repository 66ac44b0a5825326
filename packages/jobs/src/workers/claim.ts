import type { ErrorCode, TerminalStatus } from '@comfy-fleet/contracts';
import type { OutputRecord } from '../record/outputs.js';
import type { InstanceFault, JobError, JobRecord, Preview, Progress, Timings } from '../record/record.js';

/**
 * How a transition was taken: `ok`; `canceling`, the caller wants the job stopped; `superseded`, another claim holds
 * the job now and this one must let go of it.
 */
export type Verdict = 'ok' | 'canceling' | 'superseded';

/**
 * Why a submission is off: its instance forgot it, died or fell silent under it, ran out of memory, or it was taken
 * back by us; `faulty`: it failed for what may be the instance's fault, which does not count against the job.
 */
export type Loss = 'lost' | 'died' | 'silent' | 'out_of_memory' | 'taken_back' | 'faulty';

export type Outcome =
  /** `executedMs`: how long ComfyUI executed it, `loadedMs`: and loaded models in that time, as far as it is known. */
  | {
      readonly status: 'succeeded';
      readonly outputs: readonly OutputRecord[];
      readonly executedMs?: number | undefined;
      readonly loadedMs?: number | undefined;
    }
  /**
   * `outputs`: of the nodes that had finished. `inDoubt`: ComfyUI may still have the submission, and whoever reaches it
   * is to stop it.
   */
  | {
      readonly status: 'failed';
      readonly error: JobError;
      readonly outputs?: readonly OutputRecord[];
      readonly inDoubt?: boolean;
    }
  | { readonly status: 'canceled'; readonly inDoubt?: boolean };

/**
 * A job in one worker's hands. Every transition names the claim, so that after a lost lock the later holder's word
 * counts. Transitions wait while Redis is away and may be repeated.
 */
export interface Claim {
  /** The record as it was when it was claimed; `promptId` names a submission that may still be found. */
  readonly record: JobRecord;
  /**
   * Before ComfyUI is asked: writes the submission down. `expectedStart` (ms since 1970, by this host's clock) when the
   * prompt will wait behind another one there: then an idle instance may ask for it.
   */
  submit(promptId: string, instance: string, expectedStart?: number): Promise<Verdict>;
  /** ComfyUI began to execute it. `cachedNodes`: the nodes that it need not execute, if known. */
  start(promptId: string, cachedNodes?: readonly string[]): Promise<Verdict>;
  progress(progress: Progress): Promise<Verdict>;
  /** Whether anybody listens to the job's events now, so that a preview is worth its bytes. */
  isListenedTo(): Promise<boolean>;
  preview(preview: Preview): Promise<Verdict>;
  /**
   * The origin that the job was ordered with, JSON, see NewJob; undefined: with none. Throws `storage_failed` as well.
   */
  origin(): Promise<string | undefined>;
  /** ComfyUI ended; outputs are being fetched. */
  collect(): Promise<Verdict>;
  /** ComfyUI has nothing of the submission (any more). `faults`: what the record is to say of them from now on. */
  lose(promptId: string, why: Loss, faults?: readonly InstanceFault[]): Promise<Verdict>;
  /** The submission ignores its interrupt and is given up: that counts as a kill by the key; see readKills. */
  wedge(promptId: string): Promise<Verdict>;
  /**
   * Whether it still is ours to do, and wanted; `recalled` when an idle instance asks for it. `expectedStart` as in
   * `submit`, when it turned out only now that the prompt waits.
   */
  check(expectedStart?: number): Promise<Verdict | 'recalled'>;
  /**
   * Ends the job. `executed` is the prompt id that began executing, in case nobody noted that yet, and `timings` how
   * its time was spent. Answers what the job became, `canceled` if that was asked for meanwhile.
   */
  finish(outcome: Outcome, executed?: string, timings?: Timings | null): Promise<TerminalStatus | 'superseded'>;
  /** Gives the job back for another claim after `delayMs`; `after`: the error for which it is to be tried again. */
  release(delayMs: number, after?: ErrorCode): Promise<void>;
  /** Forgets the job and leaves it as it is: another claim has it, or will have it when its lock has run out. */
  letGo(): void;
}
