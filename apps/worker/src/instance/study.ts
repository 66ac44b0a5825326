import { isInService } from '@comfy-fleet/contracts';
import type { AbilityRegistry } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';
import { createCatalogueReader } from './read-catalogue.js';

/** Asks an instance that answers what it has, and publishes it for the pools that it serves. */
export type Study = (instance: Instance) => Promise<void>;

interface StudyOptions {
  readonly instances: readonly Instance[];
  readonly registry: Pick<AbilityRegistry, 'publish'>;
  /** The most that an instance may say of its nodes. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Each instance is also studied when it comes back or warms up: it may have been restarted with other models. */
export function createStudy({ instances, registry, maxBytes, signal, log }: StudyOptions): Study {
  const read = createCatalogueReader({ maxBytes });
  const study = async (instance: Instance) => {
    if (!instance.health.isReachable) return;
    const catalogue = await instance.learn(read, signal);
    await registry.publish(instance.pools, { instance: instance.name, seenAt: Date.now(), ...catalogue });
  };
  for (const instance of instances) {
    instance.events.on('health', (before) => {
      const { state } = instance.health;
      const isBack = isInService({ state }) && !isInService({ state: before });
      if (!isBack && state !== 'warming') return;
      study(instance).catch((error: unknown) => {
        if (signal.aborted) return;
        log.warn('an instance does not say what it can do', { instance: instance.name, error });
      });
    });
  }
  return study;
}
