import type { CrossCheck, CrossChecks as CrossCheckExchange } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance.js';

/** Exchanges cross-checks: how a job that failed on one instance ended on another. */
export interface CrossChecks {
  /** Reports a cross-check to the instance where the job failed, whichever worker has it. Never throws. */
  send(crossCheck: CrossCheck): Promise<void>;
  /** Takes another worker's cross-check of a job that failed on one of our instances. */
  receive(crossCheck: CrossCheck): void;
}

interface CrossCheckOptions {
  readonly exchange: Pick<CrossCheckExchange, 'send'>;
  readonly instances: readonly Pick<Instance, 'name' | 'health'>[];
  readonly log: Logger;
}

export function createCrossChecks({ exchange, instances, log }: CrossCheckOptions): CrossChecks {
  const ours = (crossCheck: CrossCheck) => instances.find(({ name }) => name === crossCheck.instance);
  return {
    send: async (crossCheck) => {
      const own = ours(crossCheck);
      if (own !== undefined) own.health.crossChecked(crossCheck);
      else
        await exchange.send(crossCheck).catch((error: unknown) => log.warn('could not send a cross-check', { error }));
    },
    receive: (crossCheck) => ours(crossCheck)?.health.crossChecked(crossCheck),
  };
}
