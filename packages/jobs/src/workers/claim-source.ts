import { orUnavailable, runScript } from '../connection.js';
import { PoolWorker, type PoolWorkerOptions } from '../queue/pool-worker.js';
import type { Claim } from './claim.js';
import { createItemClaimer, type ItemClaimerOptions } from './claim-item.js';
import { createIdleInstances, type IdleInstances, type IdleInstancesOptions } from './idle-instances.js';

/** Where one pool's jobs are claimed. */
export interface ClaimSource extends IdleInstances {
  /**
   * The next job of the pool, or undefined when none came within a second or so; without `block`, when there is none.
   * With `block` to be called one at a time.
   */
  next(options?: { block?: boolean }): Promise<Claim | undefined>;
  /**
   * The jobs that this worker has to look after and that this process does not hold: what a process of its name held
   * when it died, and what others claimed since, whose submission is in one of its instances.
   */
  leftBehind(): AsyncGenerator<Claim>;
  /** Asks for a job that waits behind another one in some ComfyUI; its holder gives it back into the queue. */
  recall(): Promise<boolean>;
  /** Stops the lock renewal and closes; every claim must have been finished, released or let go before. */
  close(): Promise<void>;
}

/** Resolves when it can be claimed from. */
export async function openClaimSource(
  options: PoolWorkerOptions & ItemClaimerOptions & IdleInstancesOptions,
): Promise<ClaimSource> {
  const { redis, keys, pool, worker } = options;
  const poolWorker = new PoolWorker(options);
  await poolWorker.begin();
  const claim = createItemClaimer(options);
  return {
    ...createIdleInstances(options),
    next: async ({ block = true } = {}) => {
      for (;;) {
        const item = await orUnavailable(() => poolWorker.take({ block }));
        const taken = item && (await claim(item));
        if (taken === 'halted') return undefined;
        // What ended or was parked instead says nothing about those behind it.
        if (item === undefined || taken !== undefined) return taken;
      }
    },
    leftBehind: async function* () {
      for (const id of await orUnavailable(() => redis.smembers(keys.held(worker)))) {
        if (poolWorker.has(id)) continue;
        const item = await orUnavailable(() => poolWorker.reclaim(id, worker));
        const taken = item && (await claim(item));
        if (taken !== undefined && taken !== 'halted') yield taken;
      }
    },
    recall: async () => (await runScript(redis, 'recall', keys.ahead(pool), [keys.prefix])) !== '',
    close: () => poolWorker.end(),
  };
}
