import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/**
 * What became elsewhere of a job that failed in an instance: it `succeeded`, so that the instance is at fault; or it
 * failed `alike`, so that the job is.
 */
export type CrossCheckVerdict = 'succeeded' | 'alike';

export interface CrossCheck {
  /** The instance it is about. */
  readonly instance: string;
  readonly job: string;
  readonly verdict: CrossCheckVerdict;
}

/** Nobody misses one that is older: the instance has been tried again since. */
const LIFE_MS = 3_600_000;

/** What workers tell each other of their instances. */
export interface CrossChecks {
  /** Tells the worker of that instance. */
  send(opinion: CrossCheck): Promise<void>;
  /** What others found out about this worker's instances since it asked last; each is told once. */
  take(): Promise<readonly CrossCheck[]>;
}

export function createCrossChecks(redis: Redis, keys: Keys, worker: string): CrossChecks {
  return {
    send: async ({ instance, job, verdict }) => {
      const key = keys.crossChecks(instance.slice(0, instance.lastIndexOf('/')));
      await redis.pipeline().hset(key, `${instance} ${job}`, verdict).pexpire(key, LIFE_MS).exec();
    },
    take: async () => {
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
