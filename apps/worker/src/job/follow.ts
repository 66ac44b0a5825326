import { type HistoryEntry, InstanceUnreachable, type PromptState } from '@comfy-fleet/comfyui';
import type { FleetError } from '@comfy-fleet/contracts';
import type { Progress } from '@comfy-fleet/jobs';
import { noteEvent } from '@comfy-fleet/telemetry';
import type { Instruments } from '../instruments.js';
import type { Submission } from '../submission/submission.js';
import type { HeldJob, JobNews } from './held-job.js';
import { patiently } from './patiently.js';
import { offerPreview } from './previews.js';
import { TakenBack } from './signals.js';

/** How a followed submission ended. */
export type End =
  | { readonly state: 'ended'; readonly entry: HistoryEntry; readonly timedOut: boolean }
  /** Without a trace; `died`: the instance was out of reach meanwhile, so it was restarted. */
  | { readonly state: 'absent'; readonly died: boolean }
  /** Not at all: it goes on `graceMs` after it was first interrupted, at `since` (ms since 1970). */
  | { readonly state: 'deaf'; readonly since: number };

export interface FollowOptions {
  readonly instruments: Pick<Instruments, 'jobWait' | 'jobRun'>;
  /** How often to look when the socket says nothing. */
  readonly pollMs: number;
  /** Longest execution. */
  readonly deadlineMs: number;
  /** How long after its first interrupt it may go on. */
  readonly graceMs: number;
}

/** An earlier claim's follower, which may have interrupted it, saw it begin before that was on the record. */
const SOONER_MS = 1000;
/** At most two progress writes a second per job. */
const PROGRESS_MS = 500;
/** How soon to look again at a prompt that is ending or is to stop. */
const HURRY_MS = 25;
/** After so many tries to stop it, a try comes only every PATIENT_MS. */
const PATIENT_STOPS = 40;
const PATIENT_MS = 250;
/** Parts of the work whose end is noted in the trace: all steps would be too many. */
const MARKS = 4;

/**
 * Follows a submission to its end. The socket says when to look; what is true is asked over HTTP, every `pollMs` even if
 * the socket says nothing. On the way a prompt that is to stop (its caller cancels, its time is up, an idle instance
 * asks for it, it should have begun by now) is taken out of the queue or interrupted; it is not waited for beyond
 * `graceMs` when it hears no interrupt. Throws TakenBack when it was taken out for another instance.
 */
export async function follow(job: HeldJob, submission: Submission, options: FollowOptions): Promise<End> {
  const { instruments, pollMs, deadlineMs, graceMs } = options;
  const { slot } = job;
  let lastWrite = performance.now();
  let lastLook = performance.now();
  let hurry = false;
  let died = false;
  let isDeathNoted = false;
  let marks = 0;
  /** We took it out of the queue, or tried to. */
  let deleted = false;
  let interruptedAt: number | undefined;
  let stops = 0;
  // One that an earlier claim left may have moved on before we listened.
  let lookNow = submission.isAdopted || job.cancelRequested;

  const sinceItBegan = () => (submission.beganAt === undefined ? undefined : Date.now() - submission.beganAt);
  const timedOut = () => (sinceItBegan() ?? 0) > deadlineMs;
  const overdue = () => !submission.hasBegun && job.attempts === 0 && Date.now() > job.record.startDeadline;
  const toStop = () => job.cancelRequested || slot.isToBeTakenBack || timedOut() || overdue();

  for (;;) {
    if (lookNow || toStop()) {
      lastLook = performance.now();
      const state = await whereIs(job, submission, {
        likelyEnded: hurry,
        onOutage: async (error) => {
          died = true;
          await noteDeath(error);
        },
      });
      if (state.state === 'ended') {
        ranToEnd(state.entry);
        if (submission.hasTexts) {
          await noteBeginning(job);
          await noteProgress();
        }
        return { timedOut: tookTooLong(state.entry), ...state };
      }
      if (state.state === 'absent') {
        // One that began before it could be taken out was executed, and ended with its instance.
        if (deleted && !submission.hasBegun && !job.cancelRequested) throw new TakenBack();
        return { state: 'absent', died };
      }
      if (state.state === 'running') began();
      else await job.askLedger();
      const spared = state.state === 'running' && slot.isToBeTakenBack && !job.cancelRequested;
      if (toStop() && !spared) {
        if (interruptedAt !== undefined && state.state === 'running' && Date.now() - interruptedAt >= graceMs) {
          return { state: 'deaf', since: interruptedAt };
        }
        deleted ||= state.state === 'pending';
        stops += 1;
        await stop(job, submission, state);
        if (state.state === 'running') interruptedAt ??= Date.now();
      }
    }
    if (submission.beginningDueInMs <= 0) await noteBeginning(job);
    // The ledger ignores the progress of a job whose beginning it does not know.
    const isDue = submission.isNoted && performance.now() - lastWrite >= PROGRESS_MS;
    if (isDue && submission.hasProgressed) await noteProgress();
    // A node that cannot be interrupted may take its time.
    const hurryMs = stops > PATIENT_STOPS ? PATIENT_MS : HURRY_MS;
    const quietMs = Math.min(pollMs, hurry || toStop() ? hurryMs : PROGRESS_MS, submission.beginningDueInMs);
    const news = await job.news.next(quietMs, job.signal);
    lookNow = news === undefined ? hurry : await take(news);
    lookNow ||= performance.now() - lastLook >= pollMs;
  }

  /** Answers whether it is worth looking where the prompt is. */
  async function take(news: JobNews): Promise<boolean> {
    switch (news.type) {
      case 'started':
        began();
        return false;
      case 'attention':
        await job.askLedger();
        return false;
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        // `idle` follows at once, and only then is the history entry sure to be there.
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

  async function noteProgress(): Promise<void> {
    job.note(await job.claim.progress(submission.takeProgress()));
    lastWrite = performance.now();
  }

  /** At once: until it is sure what became of the job, other graphs of its key could kill more instances. */
  async function noteDeath(error: FleetError): Promise<void> {
    if (isDeathNoted || !submission.hasBegun || !(error instanceof InstanceUnreachable && error.isRefused)) return;
    isDeathNoted = true;
    job.note(await job.claim.kill(submission.promptId));
  }

  /** ComfyUI executes it; the first time this is heard it counts as an attempt. */
  function began(): void {
    if (!submission.hasBegun) {
      submission.hasBegun = true;
      submission.beganAt = Date.now();
      countAttempt();
      noteEvent('started');
    }
    slot.began();
  }

  /** ComfyUI executed it to its end, whether or not anybody saw it begin. */
  function ranToEnd(entry: HistoryEntry): void {
    if (!submission.hasBegun) countAttempt();
    submission.hasBegun = true;
    // One that was adopted may have ended long before.
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
    noteEvent('progress', { fraction, ...(node === null ? {} : { node }), ...(step === null ? {} : { step }) });
  }
}

/** By ComfyUI's clock; undefined when it does not tell. */
function executionMs({ startedAt, endedAt }: HistoryEntry): number | undefined {
  return startedAt === undefined || endedAt === undefined ? undefined : endedAt - startedAt;
}

/** Puts on the record that ComfyUI began to execute the submission; does nothing when it is there already. */
export async function noteBeginning(job: HeldJob): Promise<void> {
  const { submission } = job;
  if (submission === undefined || submission.isNoted) return;
  submission.isNoted = true;
  job.note(await job.claim.start(submission.promptId, submission.cachedNodes));
}

/** Takes the prompt out of ComfyUI's queue, or interrupts it; does not wait until it has ended. */
export async function stopPrompt(job: HeldJob, submission: Submission): Promise<void> {
  const state = await whereIs(job, submission);
  if (state.state === 'pending' || state.state === 'running') await stop(job, submission, state);
}

async function whereIs(
  job: HeldJob,
  { promptId }: Submission,
  { likelyEnded = false, onOutage }: { likelyEnded?: boolean; onOutage?: (error: FleetError) => Promise<void> } = {},
): Promise<PromptState> {
  const find = () => job.instance.ask((client) => client.find(promptId, job.signal, { likelyEnded }));
  return patiently(job, find, { onOutage });
}

/** Harmless when the prompt has moved on meanwhile: then the next look sees it. */
async function stop(job: HeldJob, { promptId }: Submission, { state }: PromptState): Promise<void> {
  await patiently(job, () =>
    job.instance.ask((client) =>
      state === 'pending' ? client.deleteQueued([promptId], job.signal) : client.interrupt(promptId, job.signal),
    ),
  );
}
