import type { HistoryEntry, PromptState } from '@comfy-fleet/comfyui';
import type { HeldJob, JobNews } from './held-job.js';
import { patiently } from './patiently.js';
import { Previews } from './previews.js';
import { progressMarks } from './progress-marks.js';
import type { ProgressTracker } from './progress-tracker.js';
import { TakenBack } from './signals.js';

/** How a followed prompt ended. */
export type End =
  | { readonly state: 'ended'; readonly entry: HistoryEntry; readonly timedOut: boolean }
  /** Without a trace; `died`: the instance was out of reach meanwhile, so it was restarted. */
  | { readonly state: 'absent'; readonly died: boolean; readonly timedOut: boolean }
  /** Not at all: it goes on `graceMs` after it was first interrupted, at `since` (ms since 1970). */
  | { readonly state: 'deaf'; readonly since: number; readonly timedOut: boolean };

export interface FollowOptions {
  readonly tracker: ProgressTracker;
  /** How often to look when the socket says nothing. */
  readonly pollMs: number;
  /** Longest execution. */
  readonly deadlineMs: number;
  /** How long after its first interrupt it may go on. */
  readonly graceMs: number;
  /** Look at once: the prompt may have moved on before we listened. */
  readonly look: boolean;
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

/**
 * Follows a prompt to its end. The socket says when to look; what is true is asked over HTTP, every `pollMs` even if
 * the socket says nothing. On the way a prompt that is to stop (its caller cancels, its time is up, an idle instance
 * asks for it, it should have begun by now) is taken out of the queue or interrupted; it is not waited for beyond
 * `graceMs` when it hears no interrupt. Throws TakenBack when it was taken out for another instance.
 */
export async function followPrompt(job: HeldJob, promptId: string, options: FollowOptions): Promise<End> {
  const { tracker, pollMs, deadlineMs, graceMs } = options;
  const previews = new Previews(job);
  const mark = progressMarks();
  let lastWrite = performance.now();
  let lastLook = performance.now();
  let dirty = false;
  let hurry = false;
  let died = false;
  /** We took it out of the queue, or tried to. */
  let deleted = false;
  let interruptedAt: number | undefined;
  let stops = 0;
  let lookNow = options.look || job.cancelRequested;

  const timedOut = (limitMs = deadlineMs) => job.beganAt !== undefined && Date.now() - job.beganAt > limitMs;
  const overdue = () => !job.hasBegun && job.attempts === 0 && Date.now() > job.record.startDeadline;
  const toStop = () => job.cancelRequested || job.isToBeTakenBack || timedOut() || overdue();

  for (;;) {
    if (lookNow || toStop()) {
      lastLook = performance.now();
      const state = await whereIs(job, promptId, {
        likelyEnded: hurry,
        onOutage: () => {
          died = true;
        },
      });
      if (state.state === 'ended') {
        job.ranToEnd(promptId);
        return { ...state, timedOut: timedOut(deadlineMs - SOONER_MS) };
      }
      if (state.state === 'absent') {
        // One that began before it could be taken out was executed, and ended with its instance.
        if (deleted && !job.hasBegun && !job.cancelRequested) throw new TakenBack();
        return { state: 'absent', died, timedOut: timedOut() };
      }
      if (state.state === 'running') job.began(promptId);
      else await job.askLedger();
      const spared = state.state === 'running' && job.isToBeTakenBack && !job.cancelRequested;
      if (toStop() && !spared) {
        if (interruptedAt !== undefined && state.state === 'running' && Date.now() - interruptedAt >= graceMs) {
          return { state: 'deaf', since: interruptedAt, timedOut: timedOut(deadlineMs - SOONER_MS) };
        }
        deleted ||= state.state === 'pending';
        stops += 1;
        await stop(job, promptId, state);
        if (state.state === 'running') interruptedAt ??= Date.now();
      }
    }
    if (job.beginningDueInMs <= 0) await job.noteBeginning();
    if (dirty && performance.now() - lastWrite >= PROGRESS_MS) {
      job.note(await job.claim.progress(tracker.progress));
      lastWrite = performance.now();
      dirty = false;
    }
    // A node that cannot be interrupted may take its time.
    const hurryMs = stops > PATIENT_STOPS ? PATIENT_MS : HURRY_MS;
    const quietMs = Math.min(pollMs, hurry || toStop() ? hurryMs : PROGRESS_MS, job.beginningDueInMs);
    const news = await job.news.next(quietMs, job.signal);
    lookNow = news === undefined ? hurry : await take(news);
    lookNow ||= performance.now() - lastLook >= pollMs;
  }

  /** Answers whether it is worth looking where the prompt is. */
  async function take(news: JobNews): Promise<boolean> {
    switch (news.type) {
      case 'started':
        job.began(promptId);
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
        previews.offer(news);
        return false;
      default:
        dirty = tracker.take(news) || dirty;
        job.fraction = tracker.progress.fraction;
        mark(tracker.progress);
        return false;
    }
  }
}

/** Takes the prompt out of ComfyUI's queue, or interrupts it; does not wait until it has ended. */
export async function stopPrompt(job: HeldJob, promptId: string): Promise<void> {
  const state = await whereIs(job, promptId);
  if (state.state === 'pending' || state.state === 'running') await stop(job, promptId, state);
}

async function whereIs(
  job: HeldJob,
  promptId: string,
  { likelyEnded = false, onOutage }: { likelyEnded?: boolean; onOutage?: () => void } = {},
): Promise<PromptState> {
  const find = () => job.instance.ask((client) => client.find(promptId, job.signal, { likelyEnded }));
  return patiently(job, find, { onOutage });
}

/** Harmless when the prompt has moved on meanwhile: then the next look sees it. */
async function stop(job: HeldJob, promptId: string, { state }: PromptState): Promise<void> {
  await patiently(job, () =>
    job.instance.ask((client) =>
      state === 'pending' ? client.deleteQueued([promptId], job.signal) : client.interrupt(promptId, job.signal),
    ),
  );
}
