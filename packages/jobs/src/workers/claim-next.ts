import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { PoolWorker } from '../queue/pool-worker.js';
import { parseSnapshot } from '../record/snapshots.js';
import { workerKilled } from '../record/worker-killed.js';
import type { Claim } from './claim.js';
import type { ClaimHolder } from './hold-claim.js';

export interface NextClaimOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  readonly worker: string;
  readonly jobTtlSeconds: number;
  readonly lockMs: number;
  readonly maxWorkerDeaths: number;
  /** So many later jobs of its key may pass a job by. */
  readonly maxOvertakes: number;
  /** To be called when the pool turns out to be paused. */
  readonly foundHalted: () => void;
}

type Reply = readonly ['ok', unknown] | readonly ['none', string] | readonly ['halted'] | readonly ['again'];

/** Claims the job of the pool whose turn it is. */
export function createNextClaim(options: NextClaimOptions, poolWorker: PoolWorker, hold: ClaimHolder) {
  const { redis, keys, pool, worker, jobTtlSeconds, lockMs, maxWorkerDeaths, maxOvertakes } = options;
  const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
  const ask = (token: string) => {
    // BullMQ has a job rest until a moment of our clock, not of Redis'.
    const args = [worker, token, lockMs, maxWorkerDeaths, tooManyDeaths, maxOvertakes, Date.now()];
    return orUnavailable(() =>
      runScript(redis, 'next', keys.open(pool), [keys.prefix, pool, jobTtlSeconds * 1000, ...args]),
    ) as Promise<Reply>;
  };
  const look = async (block: boolean): Promise<Claim | undefined> => {
    for (let hasWaited = !block; ; ) {
      const token = poolWorker.newToken();
      const [verdict, detail] = await ask(token);
      if (verdict === 'ok') {
        const record = parseSnapshot(detail)?.record;
        if (record !== undefined) return hold(record, poolWorker.hold(record.id, token));
      }
      if (verdict === 'halted') options.foundHalted();
      if (verdict === 'halted' || verdict === 'none') {
        if (hasWaited) return undefined;
        hasWaited = true;
        await poolWorker.untilWork(Number(detail) || undefined);
      }
    }
  };
  return ({ block = true }: { block?: boolean } = {}) => poolWorker.during(() => look(block));
}
