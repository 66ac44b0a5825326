import { FleetError } from '@comfy-fleet/contracts';
import type { Replication } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { Payloads } from '../record/payloads.js';
import type { JobSnapshot } from '../record/record.js';
import { type CreateResult, createBatchedCreates } from './batched-creates.js';
import type { NewOrder, OrderBounds } from './new-order.js';

/** The jobs of an order as they were accepted. */
export interface Accepted {
  /** Made before under the same Idempotency-Key; nothing was made now. */
  readonly replayed: boolean;
  /**
   * A job that the caller has already is called like one of the order: it is the one of `ids`, and nothing was made.
   */
  readonly aliased: boolean;
  readonly ids: readonly string[];
  /** The only job of the order; undefined when there are several. */
  readonly only: JobSnapshot | undefined;
}

/** Every method fails with `queue_unavailable` while Redis is away. */
export interface Orders {
  /**
   * Makes all jobs of the order durable and queues them, or none. Throws `queue_full`, `idempotency_key_reused`, and
   * `job_not_found` when the jobs made under the order's Idempotency-Key were deleted since. Throws `storage_failed` if
   * a large text cannot be stored. After `queue_unavailable` it may have been made all the same.
   */
  create(order: NewOrder): Promise<Accepted>;
  /** What was made before under this Idempotency-Key, if anything was. Throws as `create` does. */
  replay(caller: string, idempotency: NewOrder['idempotency'] & object): Promise<Accepted | undefined>;
}

/** `redis` is used for orders only where replicas are waited for: that must not hold up the rest. */
export function createOrders(
  redis: Redis,
  keys: Keys,
  replication: Replication,
  payloads: Pick<Payloads, 'put'>,
  bounds: OrderBounds & { readonly jobTtlSeconds: number },
): Orders {
  const write = createBatchedCreates(redis, keys, payloads, bounds);
  return {
    create: (order) =>
      orUnavailable(async () => {
        requireFit(order, bounds.maxOpenJobs);
        const isReplicated = replication.begin();
        const written = await write(order);
        if ('ids' in written) return acknowledge(written, isReplicated);
        if (written.verdict === 'new') throw new Error('an order without jobs was to be made');
        throw refusal(written.verdict, order, bounds);
      }, MAY_BE_MADE),
    replay: (caller, idempotency) =>
      orUnavailable(async () => {
        const order = { caller, idempotency, jobs: [] };
        const isReplicated = replication.begin();
        const written = await write(order);
        if ('ids' in written) return acknowledge(written, isReplicated);
        if (written.verdict === 'new') return undefined;
        throw refusal(written.verdict, order, bounds);
      }),
  };
}

const ALL_THE_SAME =
  'What was asked for may be made all the same: send it again under the same Idempotency-Key, or look for it in GET /jobs.';
const MAY_BE_MADE = `The job queue did not answer in time. ${ALL_THE_SAME}`;
const LACKS_COPIES = `The job queue lacks the copies that it is to have, and nothing is promised without. ${ALL_THE_SAME}`;

/** A job that only the primary has is acknowledged to nobody. */
async function acknowledge(
  { verdict, ids, only }: Extract<CreateResult, { ids: unknown }>,
  isReplicated: () => Promise<boolean>,
): Promise<Accepted> {
  if (await isReplicated()) {
    return { replayed: verdict === 'replayed', aliased: verdict === 'aliased', ids, only };
  }
  throw new FleetError('queue_unavailable', LACKS_COPIES, { retryAfterSeconds: 1 });
}

/** Throws validation_failed for an order that would be too large for an empty queue. */
function requireFit({ jobs, mostWaiting = Number.POSITIVE_INFINITY }: NewOrder, maxOpenJobs: number): void {
  const most = Math.min(mostWaiting, maxOpenJobs);
  if (jobs.length <= most) return;
  const detail = `must be at most ${most} jobs: more may not wait at a time`;
  throw new FleetError('validation_failed', `/jobs ${detail}.`, { errors: [{ pointer: '/jobs', detail }] });
}

type Refused = Exclude<CreateResult['verdict'], 'made' | 'again' | 'replayed' | 'aliased' | 'new'>;

function refusal(
  verdict: Refused,
  { mostWaiting, jobs }: NewOrder,
  { maxOpenJobs, keyJobBytes }: OrderBounds,
): FleetError {
  switch (verdict) {
    case 'reused':
      return new FleetError(
        'idempotency_key_reused',
        'This Idempotency-Key came with another request before. Send a key of its own with each new request.',
      );
    case 'gone':
      return new FleetError('job_not_found', 'The job that was made under this Idempotency-Key has been deleted.');
    case 'key_full':
      return queueFull(`This key may have ${mostWaiting} jobs waiting, and ${jobs.length} more would be too many.`);
    case 'large':
      return queueFull(
        `The waiting and ended jobs of this key may hold ${keyJobBytes} bytes, graphs and their extra data included, and ` +
          'these would be too many. The oldest ended jobs are deleted within minutes.',
      );
    case 'full':
      return queueFull(
        `There may be ${maxOpenJobs} jobs waiting or running, and ${jobs.length} more would be too many.`,
      );
  }
}

function queueFull(why: string): FleetError {
  return new FleetError('queue_full', `${why} Try again when some have ended.`, { retryAfterSeconds: 5 });
}
