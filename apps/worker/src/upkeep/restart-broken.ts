import type { ErrorCode } from '@comfy-fleet/contracts';
import type { Slots } from '../slots/slots.js';
import type { Restarter } from './restarter.js';

/** Codes of what a new process mostly puts right: a GPU context that is broken, an executor that takes nothing. */
const PUT_RIGHT: readonly ErrorCode[] = ['gpu_failed', 'prompt_lost'];

/**
 * Has instances restarted that rest from all work for such a reason, as soon as they have failed once more after the first
 * rest and have nothing of ours. A rest for one key's jobs restarts nothing. To be called again and again.
 */
export function restartBroken(
  allSlots: readonly Pick<Slots, 'instance' | 'running' | 'waiting'>[],
  restarter: Restarter,
): void {
  for (const { instance, running, waiting } of allSlots) {
    const { state, rests } = instance.health;
    if (state === 'up') restarter.well(instance.name);
    if (state !== 'resting' || running !== undefined || waiting.length > 0) continue;
    const broken = rests.find(
      ({ scope, count, code }) => Object.keys(scope).length === 0 && count > 1 && PUT_RIGHT.includes(code),
    );
    if (broken !== undefined) restarter.needed(instance, broken.code);
  }
}
