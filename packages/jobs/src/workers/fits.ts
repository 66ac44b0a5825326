import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { JobRecord } from '../record/record.js';
import type { Refusals } from '../scheduling/choose.js';

/** How long the fits of an instance count without renewal, so that a dead worker's instance does not hold up jobs. */
const LIFE_MS = 60_000;

/** An instance that wants a job. */
export interface Asker {
  readonly name: string;
  /** Jobs that it refuses; undefined if none. */
  readonly refusals?: Refusals | undefined;
  /** What its last prompt encoded (encodingOf in packages/workflows), or its mark if it prefers jobs with that. */
  readonly encoding?: string | undefined;
  /** Set while it is occupied: it gets only jobs that none of these instances may try. */
  readonly others?: readonly string[] | undefined;
  /**
   * How many ms it would load models for such a job; NEEDS_NO_MODELS, or -1 if it cannot run it. Call `Fits.publish`
   * again when this changes.
   */
  fit(affinityKey: string, job: Pick<JobRecord, 'id' | 'request'>): Promise<number> | number;
  /** Whether it has no job at this moment. If absent, it has none. */
  isIdle?(): boolean;
  /** Whether it may retry a job that failed on it, because no other instance can. If absent, it may. */
  mayRetry?(record: JobRecord): Promise<boolean>;
}

/** How long the instances of a worker would load models for jobs, by affinity key. */
export type Fits = ReturnType<typeof createFits>;

export function createFits(redis: Redis, keys: Keys) {
  return {
    /** Publishes changes (undefined: no longer known) and renews the rest. Call this at least every half minute. */
    publish: async (instance: string, fits: ReadonlyMap<string, number | undefined>): Promise<void> => {
      const key = keys.fits(instance);
      const pipeline = redis.pipeline();
      for (const [affinityKey, ms] of fits) {
        if (ms === undefined) pipeline.hdel(key, affinityKey);
        else pipeline.hset(key, affinityKey, ms);
      }
      await pipeline.pexpire(key, LIFE_MS).exec();
    },
    /** Forgets an instance that takes no jobs, or whose worker starts or stops, so that nobody counts on its models. */
    forget: async (instance: string): Promise<void> => {
      await redis.del(keys.fits(instance));
    },
  };
}

interface Asking {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly fits: Fits;
}

/** Asks the instance how long it would load models for these jobs, and publishes the answers by affinity key. */
export async function askFits(
  { redis, keys, fits }: Asking,
  asker: Asker,
  jobs: readonly { readonly id: string; readonly affinity: string }[],
): Promise<Map<string, number>> {
  const requests = await orUnavailable(() => Promise.all(jobs.map(({ id }) => redis.hget(keys.job(id), 'request'))));
  const found = new Map<string, number>();
  for (const [n, { id, affinity }] of jobs.entries()) {
    const request = requests[n];
    // Without a request, the record is gone and the job cannot run anywhere.
    const ask = () => asker.fit(affinity, { id, request: JSON.parse(request ?? '') as ResolvedRequest });
    found.set(affinity, request ? (found.get(affinity) ?? (await ask())) : -1);
  }
  if (jobs.length > 0) await fits.publish(asker.name, found);
  return found;
}
