import type { ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** How long what was said of an instance counts: an instance whose worker is gone holds up nobody. */
const LIFE_MS = 60_000;

/** Jobs that an instance is not given now although it can run them. */
export interface Refusals {
  /** All jobs of these keys. */
  readonly keys: readonly string[];
  /** Those with a need, of one key or, where it is empty, of all. */
  readonly lines: readonly { readonly key: string; readonly need: string }[];
  /** All jobs that one of these instances can run, or may be able to; absent: none for that. */
  readonly others?: readonly string[];
}

/** An instance that asks for jobs. */
export interface Asker {
  readonly name: string;
  /** Undefined: it refuses nothing. */
  readonly refusals?: Refusals | undefined;
  /** How many ms of loading such a job would cost it; -1 when it cannot run it. To be said again when that changes. */
  fit(need: string, request: ResolvedRequest): Promise<number> | number;
}

/** What the instances of a worker would have to load for which jobs. */
export interface Fits {
  /**
   * Says what has changed (undefined: it is not known any more), and that the rest is as it was: to be called at least
   * every half minute.
   */
  say(instance: string, fits: ReadonlyMap<string, number | undefined>): Promise<void>;
  /** The instance takes no jobs, or its worker begins or ends: nobody is to reckon with what it holds. */
  forget(instance: string): Promise<void>;
}

export function createFits(redis: Redis, keys: Keys): Fits {
  return {
    say: async (instance, fits) => {
      const key = keys.fits(instance);
      const pipeline = redis.pipeline();
      for (const [need, ms] of fits) {
        if (ms === undefined) pipeline.hdel(key, need);
        else pipeline.hset(key, need, ms);
      }
      await pipeline.pexpire(key, LIFE_MS).exec();
    },
    forget: async (instance) => {
      await redis.del(keys.fits(instance));
    },
  };
}

/** Says how the instance stands to needs that a script does not know of it: each with a request that has it. */
export async function sayFits(fits: Fits, asker: Asker, needs: readonly string[]): Promise<void> {
  const found = new Map<string, number>();
  for (let n = 0; n + 1 < needs.length; n += 2) {
    const [need = '', request = ''] = needs.slice(n, n + 2);
    // A job without a request cannot be run anywhere; its record is gone.
    found.set(need, request === '' ? -1 : await asker.fit(need, JSON.parse(request) as ResolvedRequest));
  }
  await fits.say(asker.name, found);
}

/** As scripts take them. */
export function writeRefusals(asker: Asker | undefined): string {
  return asker?.refusals === undefined ? '' : JSON.stringify(asker.refusals);
}
