import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { WorkItem } from '../queue/pool-worker.js';
import type { JobRecord } from '../record/record.js';
import type { Claim } from './claim.js';
import { heldClaim } from './held-claim.js';
import type { Transitions } from './transitions.js';

/** Makes a claim of a record and its work item. */
export type ClaimHolder = (record: JobRecord, item: WorkItem) => Claim;

export function createClaimHolder(redis: Redis, keys: Keys, transition: Transitions): ClaimHolder {
  return (record, item) => {
    const isListenedTo = async () => {
      const [, listeners] = await redis.pubsub('NUMSUB', keys.jobChannel(record.id));
      return Number(listeners) > 0;
    };
    return heldClaim(record, item, (name, args) => transition(name, record.id, args), isListenedTo);
  };
}
