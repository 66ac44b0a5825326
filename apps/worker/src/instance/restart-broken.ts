import type { Restarter } from './restarter.js';
import type { Slots } from './slots.js';

/** Codes of what a new process mostly puts right: a GPU context that is broken, an executor that takes nothing. */
const PUT_RIGHT = ['gpu_failed', 'prompt_lost'];

/**
 * Has instances restarted that rest from all work for such a reason, as soon as the job that one was tried with has failed
 * as well and it has nothing of ours. To be called again and again.
 */
export function restartBroken(
  allSlots: readonly Pick<Slots, 'instance' | 'running' | 'waiting'>[],
  restarter: Restarter,
): void {
  for (const { instance, running, waiting } of allSlots) {
    const { state, rests, reason } = instance.health;
    if (state === 'up') restarter.well(instance.name);
    if (state !== 'resting' || running !== undefined || waiting.length > 0) continue;
    const isBroken = rests.some(
      ({ scope, count, code }) => Object.keys(scope).length === 0 && count > 1 && PUT_RIGHT.includes(code),
    );
    if (isBroken) restarter.needed(instance, reason ?? '');
  }
}
