import type { HistoryEntry, PromptState } from '@comfy-fleet/comfyui';
import type { HeldJob, JobNews } from './held-job.js';
import { patiently } from './patiently.js';
import type { ProgressTracker } from './progress-tracker.js';

/** How a followed prompt ended: with a history entry, or without a trace (lost, or taken out of the queue). */
export type End = { readonly state: 'ended'; readonly entry: HistoryEntry } | { readonly state: 'absent' };

/** At most two progress writes a second per job. */
const PROGRESS_MS = 500;
/** How soon to look again at a prompt that is ending or is to stop. */
const HURRY_MS = 25;

/**
 * Follows a prompt to its end. The socket says when to look; what is true is asked over HTTP, every `pollMs` even if the
 * socket says nothing. A job that its caller cancels is taken out of the queue or interrupted on the way.
 */
export async function followPrompt(
  job: HeldJob,
  promptId: string,
  { tracker, pollMs, look }: { tracker: ProgressTracker; pollMs: number; look: boolean },
): Promise<End> {
  let lastWrite = 0;
  let dirty = false;
  let hurry = false;
  let lastLook = performance.now();
  let lookNow = look || job.cancelRequested;
  for (;;) {
    if (lookNow) {
      lastLook = performance.now();
      const state = await whereIs(job, promptId);
      if (state.state === 'ended' || state.state === 'absent') return state;
      if (state.state === 'running') await job.began(promptId);
      else job.note(await job.claim.look());
      if (job.cancelRequested) await stop(job, promptId, state);
    }
    if (dirty && performance.now() - lastWrite >= PROGRESS_MS) {
      job.note(await job.claim.progress(tracker.progress));
      lastWrite = performance.now();
      dirty = false;
    }
    const quietMs = Math.min(pollMs, hurry || job.cancelRequested ? HURRY_MS : PROGRESS_MS);
    const news = await job.news.next(quietMs, job.signal);
    lookNow = news === undefined ? hurry || job.cancelRequested : await take(news);
    lookNow ||= performance.now() - lastLook >= pollMs;
  }

  /** Answers whether it is worth looking where the prompt is. */
  async function take(news: JobNews): Promise<boolean> {
    switch (news.type) {
      case 'started':
        await job.began(promptId);
        return job.cancelRequested;
      case 'attention':
        job.note(await job.claim.look());
        return job.cancelRequested;
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        // `idle` follows at once, and only then is the history entry sure to be there.
        hurry = true;
        return false;
      case 'idle':
      case 'reconnected':
      case 'disconnected':
        return true;
      default:
        dirty = tracker.take(news) || dirty;
        return false;
    }
  }
}

async function whereIs(job: HeldJob, promptId: string): Promise<PromptState> {
  return patiently(job, () => job.instance.ask((client) => client.find(promptId, job.signal)));
}

/** Harmless when the prompt has moved on meanwhile: then the next look sees it. */
async function stop(job: HeldJob, promptId: string, { state }: PromptState): Promise<void> {
  await patiently(job, () =>
    job.instance.ask((client) =>
      state === 'pending' ? client.deleteQueued([promptId], job.signal) : client.interrupt(promptId, job.signal),
    ),
  );
}
