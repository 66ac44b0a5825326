import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import { PoolWorker, type PoolWorkerOptions } from '../queue/pool-worker.js';
import { parseSnapshot } from '../record/record.js';
import { chooseBehind, parseBehind } from '../scheduling/choose-behind.js';
import type { Claim } from './claim.js';
import { createNextClaims, type NextClaimOptions, type NextClaims, workerKilled } from './claim-next.js';
import { type Asker, askFits } from './fits.js';
import { type ClaimHolderOptions, createClaimHolder } from './hold-claim.js';
import { createIdleInstances, type IdleInstances, type IdleInstancesOptions } from './idle-instances.js';

/** Where one pool's jobs are claimed. */
export interface ClaimSource extends IdleInstances, NextClaims {
  /**
   * The jobs that this worker has to look after and that this process does not hold: what a process of its name held
   * when it died, and what others claimed since, whose submission is in one of its instances.
   */
  leftBehind(): AsyncGenerator<Claim>;
  /**
   * Asks for a job that waits behind another one in some ComfyUI for longer than the instance would load for it; its
   * holder gives it back into the queue.
   */
  recall(asker: Asker): Promise<boolean>;
  /** Stops the lock renewal and closes; every claim must have been finished, released or let go before. */
  close(): Promise<void>;
}

type ClaimSourceOptions = PoolWorkerOptions & NextClaimOptions & IdleInstancesOptions & ClaimHolderOptions;

/** Resolves when it can be claimed from. */
export async function openClaimSource(options: ClaimSourceOptions): Promise<ClaimSource> {
  const { redis, keys, pool, worker, lockMs, maxWorkerDeaths, transition, foundPaused: foundHalted } = options;
  const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
  const poolWorker = new PoolWorker(options);
  await poolWorker.begin();
  const hold = createClaimHolder(options);
  return {
    ...createIdleInstances(options),
    ...createNextClaims(options, poolWorker, hold),
    leftBehind: async function* () {
      for (const id of await orUnavailable(() => redis.smembers(keys.held(worker)))) {
        if (poolWorker.has(id)) continue;
        const token = poolWorker.newToken();
        const args = {
          pool,
          worker,
          token,
          lock_ms: lockMs,
          most_deaths: maxWorkerDeaths,
          too_many_deaths: tooManyDeaths,
        };
        const [verdict, written] = (await transition('claim', id, args)) as ['ok', unknown] | ['none' | 'paused'];
        if (verdict === 'paused') foundHalted();
        const record = verdict === 'ok' ? parseSnapshot(written)?.record : undefined;
        if (record !== undefined) yield hold(record, poolWorker.hold(id, token));
      }
    },
    recall: async (asker) => {
      const run = (name: 'behind' | 'recall', args: NamedArguments) =>
        orUnavailable(() => runScript(redis, name, keys.behindOthers(pool), keys.prefix, args));
      const { now, jobs } = parseBehind((await run('behind', { instance: asker.name })) as string);
      const unknown = jobs.filter(({ loadMs }) => loadMs === undefined);
      const loads = await askFits(options.fits, asker, unknown);
      const chosen = chooseBehind(now, jobs, { ...asker, loads }, options.rules);
      return chosen !== undefined && (await run('recall', { job: chosen.id, instance: asker.name })) === 1;
    },
    close: () => poolWorker.end(),
  };
}
