import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';

interface Watching {
  readonly slots: Slots;
  /** How long a prompt may wait while nothing executes. */
  readonly beginMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Detects an instance whose queue accepts prompts while its executor is dead. Call the result repeatedly. When a prompt
 * of ours has waited for `beginMs` while nothing executed, the instance rests and its waiting jobs are taken back. A
 * prompt that begins after all goes on.
 */
export function watchStuckQueue({ slots, beginMs, signal, log }: Watching): () => Promise<void> {
  const { instance } = slots;
  /** The prompts that waited at the last poll while nothing executed, with the time of the first such poll. */
  let seen = new Map<string, number>();

  return async () => {
    const waiting = slots.waiting.flatMap(({ submission, isWaiting }) =>
      isWaiting && submission !== undefined ? [submission.promptId] : [],
    );
    if (waiting.length === 0 || !instance.health.isReachable) {
      seen = new Map();
      return;
    }
    const queue = await instance.ask((client) => client.queue(signal)).catch(() => undefined);
    if (queue === undefined) return;
    const now = performance.now();
    const pending = queue.running.length > 0 ? [] : queue.pending;
    seen = new Map(waiting.filter((id) => pending.includes(id)).map((id) => [id, seen.get(id) ?? now]));
    const stuck = slots.waiting.find(
      ({ submission }) => now - (seen.get(submission?.promptId ?? '') ?? now) >= beginMs,
    );
    if (stuck === undefined) return;
    const error = `it took a prompt and did not begin to execute it in ${beginMs / 1000} s, while it executed nothing else`;
    log.error('instance does not begin prompts', {
      instance: instance.name,
      job: stuck.record.id,
      prompt_id: stuck.submission?.promptId,
    });
    instance.health.observed({ code: 'prompt_lost', error });
    for (const slot of slots.waiting) slot.takeBack();
    seen = new Map();
  };
}
