import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { JobRecord } from '../record/record.js';
import type { Refusals } from '../scheduling/choose.js';

/** How long what was said of an instance counts: an instance whose worker is gone holds up nobody. */
const LIFE_MS = 60_000;

/** An instance that asks for jobs. */
export interface Asker {
  readonly name: string;
  /** Undefined: it refuses nothing. */
  readonly refusals?: Refusals | undefined;
  /** It is occupied, and is given only jobs that none of these instances may try; undefined: it is not. */
  readonly others?: readonly string[] | undefined;
  /** How many ms of loading such a job would cost it; -1 when it cannot run it. To be said again when that changes. */
  fit(affinityKey: string, request: ResolvedRequest): Promise<number> | number;
  /** Whether it may try again a job that failed on it: nobody else can. Absent: it may. */
  mayRetry?(record: JobRecord): Promise<boolean>;
}

/** What the instances of a worker would have to load for which jobs. */
export interface Fits {
  /**
   * Says what has changed (undefined: it is not known any more), and that the rest is as it was: to be called at least
   * every half minute.
   */
  publish(instance: string, fits: ReadonlyMap<string, number | undefined>): Promise<void>;
  /** The instance takes no jobs, or its worker begins or ends: nobody is to reckon with what it holds. */
  forget(instance: string): Promise<void>;
}

export function createFits(redis: Redis, keys: Keys): Fits {
  return {
    publish: async (instance, fits) => {
      const key = keys.fits(instance);
      const pipeline = redis.pipeline();
      for (const [affinityKey, ms] of fits) {
        if (ms === undefined) pipeline.hdel(key, affinityKey);
        else pipeline.hset(key, affinityKey, ms);
      }
      await pipeline.pexpire(key, LIFE_MS).exec();
    },
    forget: async (instance) => {
      await redis.del(keys.fits(instance));
    },
  };
}

interface Unknown {
  readonly affinity: string;
  /** A job's that has it. */
  readonly request: string | undefined;
}

/** Asks what the instance would load for jobs of which that is not known, and says it. */
export async function askFits(fits: Fits, asker: Asker, unknown: readonly Unknown[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (unknown.length === 0) return found;
  for (const { affinity, request } of unknown) {
    // A job without a request cannot be run anywhere; its record is gone.
    const ms =
      request === undefined
        ? -1
        : (found.get(affinity) ?? (await asker.fit(affinity, JSON.parse(request) as ResolvedRequest)));
    found.set(affinity, ms);
  }
  await fits.publish(asker.name, found);
  return found;
}
