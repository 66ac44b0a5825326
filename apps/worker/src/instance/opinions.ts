import type { CrossCheck, CrossChecks } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';

/** What became of a job elsewhere that had failed on an instance. */
export interface Opinions {
  /** Notifies the instance, whichever worker has it. Never throws. */
  send(opinion: CrossCheck): Promise<void>;
  /** Passes on what other workers found out about instances of ours: to be called again and again. */
  hear(): Promise<void>;
}

interface OpinionsOptions {
  readonly exchange: CrossChecks;
  readonly instances: readonly Pick<Instance, 'name' | 'health'>[];
  readonly log: Logger;
}

export function createOpinions({ exchange, instances, log }: OpinionsOptions): Opinions {
  const ours = (opinion: CrossCheck) => instances.find(({ name }) => name === opinion.instance);
  return {
    send: async (opinion) => {
      const own = ours(opinion);
      if (own !== undefined) own.health.heard(opinion);
      else await exchange.send(opinion).catch((error: unknown) => log.warn('an opinion was not sent', { error }));
    },
    hear: async () => {
      for (const opinion of await exchange.take()) ours(opinion)?.health.heard(opinion);
    },
  };
}
