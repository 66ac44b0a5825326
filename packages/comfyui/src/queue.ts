import type { HistoryEntry } from './history.js';
import { isObject, numberOr, textOr } from './json.js';

/** Prompt ids, in the order in which they run. */
export interface PromptQueue {
  readonly running: readonly string[];
  readonly pending: readonly string[];
}

/** Reads GET /queue; undefined if it has another shape. */
export function readQueue(value: unknown): PromptQueue | undefined {
  if (!isObject(value)) return undefined;
  const running = readList(value.queue_running);
  const pending = readList(value.queue_pending);
  return running === undefined || pending === undefined ? undefined : { running, pending };
}

/** ComfyUI lists them in heap order; they run in the order of their number, the first element. */
function readList(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const entries = value.map((entry: unknown) => {
    const [number, id] = Array.isArray(entry) ? entry : [];
    return { number: numberOr(number) ?? Number.POSITIVE_INFINITY, id: textOr(id) };
  });
  const ids = entries.sort((a, b) => (a.number === b.number ? 0 : a.number - b.number)).map(({ id }) => id);
  return ids.every((id) => id !== undefined) ? ids : undefined;
}

/**
 * The state of a prompt. `absent`: neither queued nor in the history; never submitted, deleted, or lost in a restart.
 */
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
 * Asks /queue before /history. The other way round, a prompt that ends in between is in neither (recorded: 136 of 300).
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

/** Time for all of it; nobody else looks for such a prompt. */
const DEADLINE_MS = 10_000;
/** It can begin between the deletion and the next poll. */
const ROUNDS = 3;

export interface TakeOutCalls {
  deleteQueued(promptIds: readonly string[], signal: AbortSignal): Promise<void>;
  interrupt(promptId: string, signal: AbortSignal): Promise<void>;
  queue(signal: AbortSignal): Promise<PromptQueue>;
}

/**
 * Takes a prompt without a job out of the queue, or stops it if it already runs. Independent of the caller's signal,
 * because the prompt would stay even if the job is canceled. Answers whether it is gone; never throws.
 */
export async function takeOut(calls: TakeOutCalls, promptId: string): Promise<boolean> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await calls.deleteQueued([promptId], signal);
      const { running, pending } = await calls.queue(signal);
      if (running.includes(promptId)) {
        // A ComfyUI this old may stop whatever runs, but this prompt is what runs.
        await calls.interrupt(promptId, signal);
        return true;
      }
      if (!pending.includes(promptId)) return true;
    }
  } catch {
    // The caller's error is certain without it.
  }
  return false;
}
