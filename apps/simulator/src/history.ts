import type { QueuedPrompt } from './prompt-queue.js';
import type { Float, JsonObject, Writable } from './python.js';

const KEPT = 10_000;
const SECRET_KEYS = ['auth_token_comfy_org', 'api_key_comfy_org'];

export type RunStatus = {
  readonly status_str: 'success' | 'error';
  readonly completed: boolean;
  readonly messages: readonly (readonly [string, JsonObject])[];
};

export type HistoryEntry = {
  readonly prompt: readonly [number | Float, string, Writable, JsonObject, readonly string[]];
  readonly outputs: JsonObject;
  readonly status: RunStatus;
  readonly meta: JsonObject;
};

/** The ended prompts, oldest first, in memory only. */
export class History {
  private readonly entries = new Map<string, HistoryEntry>();

  get(id: string): HistoryEntry | undefined {
    return this.entries.get(id);
  }

  values(): Iterable<HistoryEntry> {
    return this.entries.values();
  }

  add(prompt: QueuedPrompt, entry: Omit<HistoryEntry, 'prompt'>): void {
    if (this.entries.size >= KEPT) this.delete(this.entries.keys().next().value ?? '');
    const { outputs, status, meta } = entry;
    this.entries.set(prompt.id, { prompt: promptTuple(prompt, true), outputs, status, meta });
  }

  /** ComfyUI's get_history: without an offset the newest `maxItems`, oldest first. */
  list(maxItems: number | undefined, offset: number): Map<string, HistoryEntry> {
    const start = offset < 0 && maxItems !== undefined ? this.entries.size - maxItems : offset;
    const listed = new Map<string, HistoryEntry>();
    let index = 0;
    for (const [id, entry] of this.entries) {
      if (index++ < start) continue;
      listed.set(id, entry);
      if (maxItems !== undefined && listed.size >= maxItems) break;
    }
    return listed;
  }

  delete(id: string): void {
    this.entries.delete(id);
  }

  clear(): void {
    this.entries.clear();
  }
}

/** A prompt as /queue and /history show it. */
export function promptTuple(prompt: QueuedPrompt, withoutSecrets: boolean): HistoryEntry['prompt'] {
  const shown = Object.entries(prompt.extraData).filter(([key]) => !withoutSecrets || !SECRET_KEYS.includes(key));
  return [prompt.number, prompt.id, prompt.graph, Object.fromEntries(shown), prompt.outputs];
}
