import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { WorkItem } from '../queue/pool-worker.js';
import type { JobError } from '../record/record.js';
import { parseSnapshot } from '../record/snapshots.js';
import type { Claim } from './claim.js';
import { heldClaim } from './held-claim.js';
import type { Transitions } from './transitions.js';

/** How long a work item rests whose claim Redis refused to write. */
const REFUSED_CLAIM_DELAY_MS = 1000;
/** How long the work item rests of a job whose pool is paused, should it be taken before its worker has heard of that. */
const HALTED_DELAY_MS = 1000;
/** After this long a parked job looks by itself whether it may go on; mostly the end of another one calls it before. */
const PARKED_MS = 60_000;

export interface ItemClaimerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly transition: Transitions;
  readonly worker: string;
  /** Times a worker may die holding a job before it is failed with `worker_killed`. */
  readonly maxWorkerDeaths: number;
  /** To be called when a job's pool turns out to be paused. */
  readonly foundHalted: () => void;
  readonly log: Logger;
}

/**
 * Claims the job of a work item that was taken; undefined when the job has ended or was parked. Unless it answers a
 * claim, it has finished the item or given it back.
 */
export type ItemClaimer = (item: WorkItem) => Promise<Claim | 'halted' | undefined>;

export function createItemClaimer(options: ItemClaimerOptions): ItemClaimer {
  const { redis, keys, transition, worker, maxWorkerDeaths, foundHalted, log } = options;
  const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
  return async (item) => {
    const args = [worker, item.token, maxWorkerDeaths, tooManyDeaths];
    const reply = await transition('claim', item.id, args).catch((error: unknown) => {
      // Otherwise its lock would be renewed for as long as this process lives.
      item.giveBack(REFUSED_CLAIM_DELAY_MS);
      throw error;
    });
    const [verdict, written] = reply as ['ok', unknown] | ['ended'] | ['parked'] | ['halted'];
    if (verdict === 'halted') {
      item.giveBack(HALTED_DELAY_MS);
      foundHalted();
      return 'halted';
    }
    if (verdict === 'parked') {
      item.giveBack(PARKED_MS, async () => {
        await transition('unpark', item.id, []).catch((error: unknown) => {
          log.debug('a parked job looks by itself whether it may go on', { job: item.id, error });
        });
      });
      return undefined;
    }
    const record = verdict === 'ok' ? parseSnapshot(written)?.record : undefined;
    if (record === undefined) {
      item.done();
      return undefined;
    }
    const isListenedTo = async () => {
      const [, listeners] = await redis.pubsub('NUMSUB', keys.jobChannel(record.id));
      return Number(listeners) > 0;
    };
    return heldClaim(record, item, (name, args) => transition(name, record.id, args), isListenedTo);
  };
}

function workerKilled(deaths: number): JobError {
  const detail = `The worker died ${deaths} times while it held this job, so it is not tried again.`;
  return { code: 'worker_killed', detail, nodeId: null };
}
