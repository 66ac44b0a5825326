import type { AbilityRegistry } from '@comfy-fleet/jobs';
import type { Asked } from '@comfy-fleet/workflows';
import type { Instance } from './instance.js';

/** Asks an instance that answers what it can do, and publishes it for the pools that it serves. */
export type Study = (instance: Instance) => Promise<void>;

export function createStudy(options: {
  readonly registry: Pick<AbilityRegistry, 'publish'>;
  readonly asked: Asked;
  /** Called when it was learned what an instance can do. */
  readonly learned: (instance: Instance) => void;
  readonly signal: AbortSignal;
}): Study {
  const { registry, asked, learned, signal } = options;
  return async (instance) => {
    if (!instance.health.isReachable) return;
    const abilities = await instance.learn(asked, signal);
    learned(instance);
    await registry.publish(instance.pools, { instance: instance.name, seenAt: Date.now(), abilities });
  };
}
