import type { Subscriptions } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * How a job that failed on one instance ended on another one: it `succeeded`, so the first instance is at fault; or it
 * failed `alike`, so the job is.
 */
export type CrossCheckVerdict = 'succeeded' | 'alike';

export interface CrossCheck {
  /** The instance on which the job failed first. */
  readonly instance: string;
  readonly job: string;
  readonly verdict: CrossCheckVerdict;
}

/** How workers exchange cross-checks of each other's instances. */
export type CrossChecks = ReturnType<typeof createCrossChecks>;

export function createCrossChecks(redis: Redis, keys: Keys, worker: string, subscriptions: Subscriptions) {
  return {
    /**
     * Sends a cross-check to the worker of its instance. One that is lost because that worker is away does no harm: what
     * it knows of its instances' faults is lost as well when it restarts.
     */
    send: async ({ instance, job, verdict }: CrossCheck): Promise<void> => {
      const channel = keys.workerChannel(instance.slice(0, instance.lastIndexOf('/')));
      await redis.publish(channel, [instance, job, verdict].join(' '));
    },
    /** Calls the listener with each cross-check of this worker's instances. */
    onReceive: async (listener: (crossCheck: CrossCheck) => void): Promise<void> => {
      await subscriptions.listen(keys.workerChannel(worker), (message = '') => {
        const [instance = '', job = '', verdict] = message.split(' ');
        if (verdict !== undefined) listener({ instance, job, verdict: verdict as CrossCheckVerdict });
      });
    },
  };
}
