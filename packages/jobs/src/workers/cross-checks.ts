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

/** Older results do not matter, because the instance has been tried again since. */
const LIFE_MS = 3_600_000;

/** How workers exchange cross-checks of each other's instances. */
export type CrossChecks = ReturnType<typeof createCrossChecks>;

export function createCrossChecks(redis: Redis, keys: Keys, worker: string) {
  return {
    /** Sends a cross-check to the worker of its instance. */
    send: async ({ instance, job, verdict }: CrossCheck): Promise<void> => {
      const key = keys.crossChecks(instance.slice(0, instance.lastIndexOf('/')));
      await redis.pipeline().hset(key, `${instance} ${job}`, verdict).pexpire(key, LIFE_MS).exec();
    },
    /** Takes the cross-checks of this worker's instances. Each is returned once. */
    take: async (): Promise<readonly CrossCheck[]> => {
      const key = keys.crossChecks(worker);
      const found = Object.entries(await redis.hgetall(key));
      if (found.length > 0) await redis.hdel(key, ...found.map(([field]) => field));
      return found.map(([field, verdict]) => {
        const [instance = '', job = ''] = field.split(' ');
        return { instance, job, verdict: verdict as CrossCheckVerdict };
      });
    },
  };
}
