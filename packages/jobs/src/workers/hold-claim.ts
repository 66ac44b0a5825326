import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { WorkItem } from '../queue/pool-worker.js';
import type { Payloads } from '../record/payloads.js';
import type { JobRecord } from '../record/record.js';
import type { Claim } from './claim.js';
import { heldClaim, type Transition } from './held-claim.js';
import type { RedisClock } from './redis-clock.js';
import type { Transitions } from './transitions.js';

/** Makes a claim of a record and its work item. */
export type ClaimHolder = (record: JobRecord, item: WorkItem) => Claim;

export interface ClaimHolderOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly payloads: Pick<Payloads, 'read'>;
  readonly transition: Transitions;
  readonly clock: RedisClock;
  /** Executions of an instance that are remembered. */
  readonly timelineEntries: number;
}

export function createClaimHolder(options: ClaimHolderOptions): ClaimHolder {
  const { redis, keys, payloads, transition, clock, timelineEntries } = options;
  return (record, item) => {
    const isListenedTo = async () => {
      const [, listeners] = await redis.pubsub('NUMSUB', keys.jobChannel(record.id));
      return Number(listeners) > 0;
    };
    const origin = () => orUnavailable(async () => payloads.read(await redis.get(keys.origin(record.id))));
    const run: Transition = (name, args) => transition(name, record.id, args);
    return heldClaim(record, item, { run, clock, timelineEntries }, { isListenedTo, origin });
  };
}
