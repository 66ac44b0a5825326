import { FleetError, fresh } from '@comfy-fleet/contracts';
import type { Ledger } from '@comfy-fleet/jobs';

/** The part of Redis' memory that new jobs may fill. Workers need the rest to finish accepted jobs. */
const MOST_FULL = 0.9;
/** How old the answer of Redis may be, and how long one may take. */
const FRESH_MS = 1000;
const ASK_MS = 1000;
const RETRY_AFTER_SECONDS = 30;

/** Throws `overloaded` while Redis is nearly full. A Redis without maxmemory, or one that does not say, counts as having space. */
export function createQueueSpace({ fullness }: Pick<Ledger, 'fullness'>): () => Promise<void> {
  const full = fresh(FRESH_MS, () => fullness().catch(() => 0), ASK_MS);
  return async () => {
    // Only a fresh answer may refuse a request. While there is space, the last known answer is enough.
    if ((full.latest() ?? MOST_FULL) < MOST_FULL || (await full.now().catch(() => 0)) < MOST_FULL) return;
    const detail = 'The job queue is nearly full. Jobs that were accepted still run; send this one again later.';
    throw new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
}
