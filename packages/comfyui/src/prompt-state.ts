import type { HistoryEntry } from './history.js';
import type { PromptQueue } from './queue.js';

/** Where a prompt stands. `absent`: neither queued nor in history; never submitted, deleted, or lost in a restart. */
export type PromptState =
  | { readonly state: 'pending' }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly entry: HistoryEntry }
  | { readonly state: 'absent' };

interface Sources {
  queue(signal: AbortSignal): Promise<PromptQueue>;
  history(promptId: string, signal: AbortSignal): Promise<HistoryEntry | undefined>;
}

/**
 * /queue first, /history second: the other way round a prompt that ends in between is in neither (recorded: 136 of
 * 300).
 */
export async function findPrompt(
  sources: Sources,
  promptId: string,
  signal: AbortSignal,
  likelyEnded = false,
): Promise<PromptState> {
  const already = likelyEnded ? await sources.history(promptId, signal) : undefined;
  if (already !== undefined) return { state: 'ended', entry: already };
  const { running, pending } = await sources.queue(signal);
  if (running.includes(promptId)) return { state: 'running' };
  if (pending.includes(promptId)) return { state: 'pending' };
  const entry = await sources.history(promptId, signal);
  return entry === undefined ? { state: 'absent' } : { state: 'ended', entry };
}
