import type { WorkItem } from '../queue/pool-worker.js';
import { parseSnapshot } from '../record/snapshots.js';
import { workerKilled } from '../record/worker-killed.js';
import type { Claim } from './claim.js';
import type { ClaimHolder } from './hold-claim.js';
import type { Transitions } from './transitions.js';

/** How long a work item rests whose claim Redis refused to write. */
const REFUSED_CLAIM_DELAY_MS = 1000;
/** How long the work item rests of a job whose pool is paused, should it be taken before its worker has heard of that. */
const HALTED_DELAY_MS = 1000;

export interface ItemClaimerOptions {
  readonly transition: Transitions;
  readonly worker: string;
  /** Times a worker may die holding a job before it is failed with `worker_killed`. */
  readonly maxWorkerDeaths: number;
  /** To be called when a job's pool turns out to be paused. */
  readonly foundHalted: () => void;
}

/**
 * Claims the job of a work item that was reclaimed; undefined when the job has ended. Unless it answers a
 * claim, it has finished the item or given it back.
 */
export type ItemClaimer = (item: WorkItem) => Promise<Claim | 'halted' | undefined>;

export function createItemClaimer(options: ItemClaimerOptions, hold: ClaimHolder): ItemClaimer {
  const { transition, worker, maxWorkerDeaths, foundHalted } = options;
  const tooManyDeaths = JSON.stringify(workerKilled(maxWorkerDeaths));
  return async (item) => {
    const args = { worker, token: item.token, most_deaths: maxWorkerDeaths, too_many_deaths: tooManyDeaths };
    const reply = await transition('claim', item.id, args).catch((error: unknown) => {
      // Otherwise its lock would be renewed for as long as this process lives.
      item.giveBack(REFUSED_CLAIM_DELAY_MS);
      throw error;
    });
    const [verdict, written] = reply as ['ok', unknown] | ['ended'] | ['halted'];
    if (verdict === 'halted') {
      item.giveBack(HALTED_DELAY_MS);
      foundHalted();
      return 'halted';
    }
    const record = verdict === 'ok' ? parseSnapshot(written)?.record : undefined;
    if (record === undefined) {
      item.drop();
      return undefined;
    }
    return hold(record, item);
  };
}
