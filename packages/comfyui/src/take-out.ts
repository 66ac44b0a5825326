import type { PromptQueue } from './queue.js';

/** For all of it: nobody else ever looks for such a prompt. */
const DEADLINE_MS = 10_000;
/** It can begin between the deletion and the look. */
const ROUNDS = 3;

export interface TakeOutCalls {
  deleteQueued(promptIds: readonly string[], signal: AbortSignal): Promise<void>;
  interrupt(promptId: string, signal: AbortSignal): Promise<void>;
  queue(signal: AbortSignal): Promise<PromptQueue>;
}

/**
 * Takes a prompt out of the queue that is nobody's, or stops it if it runs by now. Not bound to whoever submitted it: a job
 * that is canceled meanwhile leaves it there just the same. Answers whether it is gone; never throws.
 */
export async function takeOut(calls: TakeOutCalls, promptId: string): Promise<boolean> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await calls.deleteQueued([promptId], signal);
      const { running, pending } = await calls.queue(signal);
      if (running.includes(promptId)) {
        // A ComfyUI this old may stop whatever runs, whichever prompt is named: it is the one that runs.
        await calls.interrupt(promptId, signal);
        return true;
      }
      if (!pending.includes(promptId)) return true;
    }
  } catch {
    // What the caller is told is certain without it.
  }
  return false;
}
