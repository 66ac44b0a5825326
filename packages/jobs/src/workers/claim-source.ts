import { commit, orUnavailable } from '../connection.js';
import { PoolWorker, type PoolWorkerOptions } from '../queue/pool-worker.js';
import { parseRecord } from '../record/record.js';
import { chooseBehind, readBehind } from '../scheduling/choose-behind.js';
import { createNextClaims, type HandOut, type NextClaimOptions } from './claim-next.js';
import { type Asker, askFits } from './fits.js';
import { type ClaimHolderOptions, createClaimHolder } from './hold-claim.js';
import { createIdleInstances, type IdleInstancesOptions } from './idle-instances.js';

/** Claims jobs of one pool. */
export type ClaimSource = Awaited<ReturnType<typeof openClaimSource>>;

type ClaimSourceOptions = PoolWorkerOptions &
  NextClaimOptions &
  IdleInstancesOptions &
  ClaimHolderOptions & { readonly maxWorkerDeaths: number };

/** Resolves when jobs can be claimed. */
export async function openClaimSource(options: ClaimSourceOptions) {
  const { redis, keys, pool, worker, lockMs, maxWorkerDeaths, transition } = options;
  const poolWorker = new PoolWorker(options);
  await poolWorker.begin();
  const hold = createClaimHolder(options);
  const handOut: HandOut = async (record, token) => {
    const claim = hold(record, poolWorker.hold(record.id, token));
    if (record.deaths < maxWorkerDeaths || record.status === 'canceling') return claim;
    const detail = `The worker died ${record.deaths} times while it held this job, so it is not tried again.`;
    const error = { code: 'worker_killed', detail, nodeId: null } as const;
    try {
      await claim.finish({ status: 'failed', error, inDoubt: true });
    } catch (cause) {
      claim.letGo();
      throw cause;
    }
    return undefined;
  };
  return {
    ...createIdleInstances(options),
    ...createNextClaims(options, poolWorker, handOut),
    /**
     * The jobs that this worker is responsible for but this process does not hold: those that an earlier process of this
     * name held when it died, and those that other workers have claimed since while one of this worker's instances has
     * the submission.
     */
    leftBehind: async function* () {
      for (const id of await orUnavailable(() => redis.smembers(keys.held(worker)))) {
        if (poolWorker.has(id)) continue;
        const token = poolWorker.newToken();
        const reply = await transition('claim', id, { pool, worker, token, lock_ms: lockMs });
        const record = parseRecord(reply as string[]);
        const claim = record && (await handOut(record, token));
        if (claim !== undefined) yield claim;
      }
    },
    /**
     * Recalls a job that would wait behind another one in some ComfyUI for longer than this instance would load models
     * for it. Its worker gives it back to the queue.
     */
    recall: async (asker: Asker) => {
      const { now, jobs } = await orUnavailable(() => readBehind(redis, keys, pool, asker.name));
      const unknown = jobs.filter(({ loadMs }) => loadMs === undefined);
      const chosen = chooseBehind(
        now,
        jobs,
        { ...asker, loads: await askFits(options, asker, unknown) },
        options.rules,
      );
      if (chosen === undefined) return false;
      const { id, startsAt, holder } = chosen;
      const record = keys.job(id);
      return orUnavailable(() =>
        commit(
          redis,
          keys,
          [
            [['ZSCORE', keys.behindOthers(pool), id], `${startsAt}`],
            [['HGET', record, 'worker'], holder],
          ],
          [
            ['ZREM', keys.behindOthers(pool), id],
            ['HSET', record, 'recalled', 1, 'wanted_by', asker.name, 'moved_at', now],
            ['PUBLISH', keys.workerChannel(holder), id],
          ],
        ),
      );
    },
    /** Stops renewing locks and closes. All claims must have been finished, released or let go before. */
    close: () => poolWorker.end(),
  };
}
