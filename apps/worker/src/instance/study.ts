import type { AbilityRegistry } from '@comfy-fleet/jobs';
import type { Instance } from './instance.js';
import type { CatalogueReader } from './read-catalogue.js';

/** Asks an instance that answers what it has, and publishes it for the pools that it serves. */
export type Study = (instance: Instance) => Promise<void>;

export function createStudy(options: {
  readonly registry: Pick<AbilityRegistry, 'publish'>;
  readonly read: CatalogueReader;
  /** Called when it was learned what an instance can do. */
  readonly learned: (instance: Instance) => void;
  readonly signal: AbortSignal;
}): Study {
  const { registry, read, learned, signal } = options;
  return async (instance) => {
    if (!instance.health.isReachable) return;
    const catalogue = await instance.learn(read, signal);
    learned(instance);
    await registry.publish(instance.pools, { instance: instance.name, seenAt: Date.now(), ...catalogue });
  };
}
