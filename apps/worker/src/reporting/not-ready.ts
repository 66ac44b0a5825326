import type { Instance } from '../instance/instance.js';
import type { StoreWatch } from '../store-watch.js';

interface Needs {
  /** Resolves while Redis answers. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  readonly instances: readonly Pick<Instance, 'name' | 'health'>[];
  readonly store: Pick<StoreWatch, 'fault'>;
}

/** Why a worker cannot do its work now; empty when it can. */
export async function notReady({ ping, instances, store }: Needs, signal: AbortSignal): Promise<readonly string[]> {
  const reasons: string[] = [];
  await ping(signal).catch(() => reasons.push('Redis does not answer'));
  if (!instances.some(({ health }) => health.state === 'up')) {
    const each = instances.map(
      ({ name, health }) => `${name} is ${[health.state, health.reason].filter(Boolean).join(': ')}`,
    );
    reasons.push(`no ComfyUI instance is up (${each.join('; ')})`);
  }
  if (store.fault !== undefined) reasons.push(store.fault.reason);
  return reasons;
}
