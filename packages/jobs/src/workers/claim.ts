import type { ErrorCode, TerminalStatus } from '@comfy-fleet/contracts';
import type { OutputRecord } from '../record/outputs.js';
import type { InstanceFault, JobError, JobRecord, Preview, Progress, Timings } from '../record/record.js';

/**
 * The reply to a transition: `ok`; `canceling`: the caller wants the job stopped; `superseded`: another claim holds the
 * job now, and this one must let go of it.
 */
export type Verdict = 'ok' | 'canceling' | 'superseded';

/**
 * Why a submission was lost: the instance forgot it, died, fell silent or ran out of memory, or we took it back.
 * `faulty`: it failed, possibly through the instance's fault, which does not count against the job. `bystander`: the
 * instance died or fell silent, probably for another submission, which does not count either.
 */
export type Loss = 'lost' | 'died' | 'silent' | 'out_of_memory' | 'taken_back' | 'faulty' | 'bystander';

export type Outcome =
  /**
   * `executedMs`: how long ComfyUI executed it; `loadedMs`: how much of that was spent loading models, as far as known.
   */
  | {
      readonly status: 'succeeded';
      readonly outputs: readonly OutputRecord[];
      readonly executedMs?: number | undefined;
      readonly loadedMs?: number | undefined;
    }
  /**
   * `outputs`: those of nodes that had finished. `inDoubt`: ComfyUI may still have the submission, which must then be
   * stopped later.
   */
  | {
      readonly status: 'failed';
      readonly error: JobError;
      readonly outputs?: readonly OutputRecord[];
      readonly inDoubt?: boolean;
    }
  | { readonly status: 'canceled'; readonly inDoubt?: boolean };

/**
 * A job that a worker holds. Every transition names the claim, so that after a lost lock only the newest claim counts.
 * Transitions wait while Redis is away and may be repeated.
 */
export interface Claim {
  /** The record as it was when it was claimed. `promptId` names a submission that may still exist. */
  readonly record: JobRecord;
  /**
   * Records a submission; call this before sending it to ComfyUI. `expectedStart` (ms since 1970, by this host's
   * clock): the prompt will wait behind another one there, so an idle instance may recall the job. `recalled`: nothing
   * was recorded, because graphs of the key are held back after a kill; release the job.
   */
  submit(promptId: string, instance: string, expectedStart?: number): Promise<Verdict | 'recalled'>;
  /** ComfyUI began to execute the submission. `cachedNodes`: nodes whose results it has cached, if known. */
  start(promptId: string, cachedNodes?: readonly string[]): Promise<Verdict>;
  progress(progress: Progress): Promise<Verdict>;
  /** Whether anybody listens to the job's events, so that a preview is worth its bytes. */
  isListenedTo(): Promise<boolean>;
  /** Whether anybody will probably listen to the job's events when it runs. */
  isFollowed(): Promise<boolean>;
  preview(preview: Preview): Promise<Verdict>;
  /** The origin of the job as JSON, see NewJob; undefined if it has none. Also throws `storage_failed`. */
  origin(): Promise<string | undefined>;
  /** The execution has ended; outputs are being fetched. */
  collect(): Promise<Verdict>;
  /** ComfyUI does not have the submission any more. `faults`: the new list of faults for the record. */
  lose(promptId: string, why: Loss, faults?: readonly InstanceFault[]): Promise<Verdict>;
  /** The submission killed its instance, or ignores its interrupt. This counts as a kill by the key; see readKills. */
  kill(promptId: string): Promise<Verdict>;
  /**
   * Checks whether the job is still ours and still wanted; `recalled`: an idle instance wants it. `expectedStart`: as
   * in `submit`, if it turned out only now that the prompt waits.
   */
  check(expectedStart?: number): Promise<Verdict | 'recalled'>;
  /**
   * Ends the job. `executed`: the prompt id that began executing, in case `start` was not called; `timings`: how its
   * time was spent. Returns the job's final status, which is `canceled` if that was requested meanwhile.
   */
  finish(outcome: Outcome, executed?: string, timings?: Timings | null): Promise<TerminalStatus | 'superseded'>;
  /** Gives the job back for another claim after `delayMs`. `after`: the error that causes the retry. */
  release(delayMs: number, after?: ErrorCode): Promise<void>;
  /** Drops the job without changing it: another claim has it, or will get it when its lock expires. */
  letGo(): void;
}
