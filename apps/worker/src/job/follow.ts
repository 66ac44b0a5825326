import { type HistoryEntry, InstanceUnreachable, type PromptState } from '@comfy-fleet/comfyui';
import type { FleetError } from '@comfy-fleet/contracts';
import type { Progress } from '@comfy-fleet/jobs';
import { addSpanEvent } from '@comfy-fleet/telemetry';
import type { Instruments } from '../instruments.js';
import type { Submission } from '../submission/submission.js';
import type { HeldJob, JobNews } from './held-job.js';
import { offerPreview } from './previews.js';
import { TakenBack } from './signals.js';
import { retryUntilReachable } from './step-wrappers.js';

/** How a followed submission ended. */
export type End =
  | { readonly state: 'ended'; readonly entry: HistoryEntry; readonly timedOut: boolean }
  /** ComfyUI no longer has it; `died`: the instance was unreachable meanwhile, so it was restarted. */
  | { readonly state: 'absent'; readonly died: boolean }
  /** It still executes `graceMs` after its first interrupt, at `since` (ms since 1970). */
  | { readonly state: 'hung'; readonly since: number };

export interface FollowOptions {
  readonly instruments: Pick<Instruments, 'jobWait' | 'jobRun'>;
  /** How often to poll when the socket is silent. */
  readonly pollMs: number;
  /** Longest execution. */
  readonly deadlineMs: number;
  /** How long the execution may go on after its first interrupt. */
  readonly graceMs: number;
}

/**
 * An earlier claim's follower may have interrupted it, measuring from a beginning earlier than the recorded one by up
 * to this much.
 */
const SOONER_MS = 1000;
/** At most two progress writes a second per job. */
const PROGRESS_MS = 500;
/** How often to poll a prompt that is ending or should stop. */
const HURRY_MS = 25;
/** After this many attempts to stop it, attempts are PATIENT_MS apart. */
const PATIENT_STOPS = 40;
const PATIENT_MS = 250;
/** The trace notes progress in this many parts; all steps would be too many. */
const MARKS = 4;

/**
 * Follows a submission to its end. Socket events only trigger polls: HTTP has the truth, and is polled every `pollMs`
 * even if the socket is silent. A prompt that should stop (the caller cancels, its time is up, an idle instance takes
 * it over, its start deadline has passed) is taken out of the queue or interrupted, and given up after `graceMs` if it
 * ignores the interrupt. Throws TakenBack when it was taken out of the queue for another instance.
 */
export async function follow(job: HeldJob, submission: Submission, options: FollowOptions): Promise<End> {
  const { instruments, pollMs, deadlineMs, graceMs } = options;
  const { slot } = job;
  let lastWrite = performance.now();
  let lastPoll = performance.now();
  let hurry = false;
  let died = false;
  let isDeathRecorded = false;
  let marks = 0;
  /** We took it out of the queue, or tried to. */
  let deleted = false;
  let interruptedAt: number | undefined;
  let stops = 0;
  // An adopted submission may have moved on before we listened.
  let pollNow = submission.isAdopted || job.cancelRequested;

  const sinceItBegan = () => (submission.beganAt === undefined ? undefined : Date.now() - submission.beganAt);
  const timedOut = () => (sinceItBegan() ?? 0) > deadlineMs;
  const overdue = () => !submission.hasBegun && job.attempts === 0 && Date.now() > job.record.startDeadline;
  const toStop = () => job.cancelRequested || slot.isToBeTakenBack || timedOut() || overdue();

  for (;;) {
    if (pollNow || toStop()) {
      lastPoll = performance.now();
      const state = await findPrompt(job, submission, {
        likelyEnded: hurry,
        onOutage: async (error) => {
          died = true;
          await recordDeath(error);
        },
      });
      if (state.state === 'ended') {
        ranToEnd(state.entry);
        return { timedOut: tookTooLong(state.entry), ...state };
      }
      if (state.state === 'absent') {
        // If it began before it could be taken out, it was executed, and its instance died with it.
        if (deleted && !submission.hasBegun && !job.cancelRequested) throw new TakenBack();
        return { state: 'absent', died };
      }
      submission.isBystander = false;
      if (state.state === 'running') began();
      await job.checkLedger();
      const spared = state.state === 'running' && slot.isToBeTakenBack && !job.cancelRequested;
      if (toStop() && !spared) {
        if (interruptedAt !== undefined && state.state === 'running' && Date.now() - interruptedAt >= graceMs) {
          return { state: 'hung', since: interruptedAt };
        }
        deleted ||= state.state === 'pending';
        stops += 1;
        await stop(job, submission, state);
        if (state.state === 'running') interruptedAt ??= Date.now();
      }
    }
    if (submission.beginningDueInMs <= 0) await recordBeginning(job);
    // The ledger ignores progress until it knows of the beginning.
    const isDue = submission.isBeginningRecorded && performance.now() - lastWrite >= PROGRESS_MS;
    if (isDue && submission.hasProgressed) await writeProgress();
    // Some nodes take long to react to an interrupt.
    const hurryMs = stops > PATIENT_STOPS ? PATIENT_MS : HURRY_MS;
    const quietMs = Math.min(pollMs, hurry || toStop() ? hurryMs : PROGRESS_MS, submission.beginningDueInMs);
    const news = await job.news.next(quietMs, job.signal);
    pollNow = news === undefined ? hurry : await take(news);
    pollNow ||= performance.now() - lastPoll >= pollMs;
  }

  /** Answers whether to poll now. */
  async function take(news: JobNews): Promise<boolean> {
    switch (news.type) {
      case 'started':
        began();
        return false;
      case 'attention':
        await job.checkLedger();
        return false;
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        // `idle` follows at once, and only then is the history entry sure to exist.
        hurry = true;
        return false;
      case 'disconnected':
        died = true;
        return true;
      case 'idle':
      case 'reconnected':
        return true;
      case 'preview':
        offerPreview(job, submission, news);
        return false;
      default:
        markProgress(submission.progress);
        return false;
    }
  }

  async function writeProgress(): Promise<void> {
    job.obey(await job.claim.progress(submission.takeProgress()));
    lastWrite = performance.now();
  }

  /** Records it at once: until the job's fate is known, other graphs of its key could kill more instances. */
  async function recordDeath(error: FleetError): Promise<void> {
    if (isDeathRecorded || !(error instanceof InstanceUnreachable && error.isRefused)) return;
    // It may have died before its socket reported the beginning of this job, or after the end of this job.
    if (slot.stage !== 'executing' || submission.isBystander) return;
    isDeathRecorded = true;
    began();
    job.obey(await job.claim.kill(submission.promptId));
  }

  /** ComfyUI executes it; the first report of this counts as an attempt. */
  function began(): void {
    if (!submission.hasBegun) {
      submission.hasBegun = true;
      submission.beganAt = Date.now();
      countAttempt();
      addSpanEvent('started');
      slot.slots.makeRoom(job.signal).catch((error: unknown) => job.log.debug('memory was not freed', { error }));
    }
    slot.began();
  }

  /** ComfyUI executed it to its end, whether or not its beginning was observed. */
  function ranToEnd(entry: HistoryEntry): void {
    if (!submission.hasBegun) countAttempt();
    submission.hasBegun = true;
    // An adopted submission may have ended long before.
    const ms = submission.isAdopted ? executionMs(entry) : sinceItBegan();
    submission.executedMs = ms;
    if (ms !== undefined) instruments.jobRun.observe(job.labels, Math.max(0, ms) / 1000);
  }

  function tookTooLong(entry: HistoryEntry): boolean {
    return (executionMs(entry) ?? sinceItBegan() ?? 0) > deadlineMs - SOONER_MS;
  }

  function countAttempt(): void {
    job.attempts += 1;
    if (job.attempts > 1) return;
    // The clocks of Redis and of this host may differ by some ms.
    const ms = Math.max(0, Date.now() - job.record.createdAt);
    instruments.jobWait.observe(job.labels, ms / 1000);
  }

  function markProgress({ fraction, node, step }: Progress): void {
    const passed = Math.floor(fraction * MARKS);
    if (passed <= marks) return;
    marks = passed;
    addSpanEvent('progress', { fraction, ...(node === null ? {} : { node }), ...(step === null ? {} : { step }) });
  }
}

/** By ComfyUI's clock; undefined if its history has no times. */
function executionMs({ startedAt, endedAt }: HistoryEntry): number | undefined {
  return startedAt === undefined || endedAt === undefined ? undefined : endedAt - startedAt;
}

/** Records that ComfyUI began to execute the submission, unless that is recorded already. */
export async function recordBeginning(job: HeldJob): Promise<void> {
  const { submission } = job;
  if (submission === undefined || submission.isBeginningRecorded) return;
  submission.isBeginningRecorded = true;
  job.obey(await job.claim.start(submission.promptId, submission.cachedNodes));
}

/** Takes the prompt out of ComfyUI's queue or interrupts it, without waiting for its end. */
export async function stopPrompt(job: HeldJob, submission: Submission): Promise<void> {
  const state = await findPrompt(job, submission);
  if (state.state === 'pending' || state.state === 'running') await stop(job, submission, state);
}

async function findPrompt(
  job: HeldJob,
  { promptId }: Submission,
  { likelyEnded = false, onOutage }: { likelyEnded?: boolean; onOutage?: (error: FleetError) => Promise<void> } = {},
): Promise<PromptState> {
  const find = () => job.instance.ask((client) => client.find(promptId, job.signal, { likelyEnded }));
  return retryUntilReachable(job, find, { onOutage });
}

/** Harmless when the prompt has moved on meanwhile; the next poll finds it. */
async function stop(job: HeldJob, { promptId }: Submission, { state }: PromptState): Promise<void> {
  await retryUntilReachable(job, () =>
    job.instance.ask((client) =>
      state === 'pending' ? client.deleteQueued([promptId], job.signal) : client.interrupt(promptId, job.signal),
    ),
  );
}
