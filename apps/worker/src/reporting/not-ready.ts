import { isInService } from '@comfy-fleet/contracts';
import type { Slots } from '../slots/slots.js';
import type { StoreWatch } from '../store-watch.js';

interface Needs {
  /** Resolves while Redis answers. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  readonly allSlots: readonly Pick<Slots, 'instance' | 'drains'>[];
  readonly store: Pick<StoreWatch, 'fault'>;
}

/** Why a worker cannot do its work now; empty when it can. */
export async function notReady({ ping, allSlots, store }: Needs, signal: AbortSignal): Promise<readonly string[]> {
  const reasons: string[] = [];
  await ping(signal).catch(() => reasons.push('Redis does not answer'));
  if (!allSlots.some(isFit)) {
    const each = allSlots.map(
      ({ instance: { name, health } }) => `${name} is ${[health.state, health.reason].filter(Boolean).join(': ')}`,
    );
    reasons.push(`no ComfyUI instance is up (${each.join('; ')})`);
  }
  if (store.fault !== undefined) reasons.push(store.fault.reason);
  return reasons;
}

/** One that is drained is not warmed up before that is over. */
function isFit({ instance, drains }: Needs['allSlots'][number]): boolean {
  return isInService(instance.health) || (instance.health.state === 'warming' && drains);
}
