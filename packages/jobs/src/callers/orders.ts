import { FleetError } from '@comfy-fleet/contracts';
import type { Replication } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import type { Payloads } from '../record/payloads.js';
import type { JobSnapshot } from '../record/record.js';
import { type CreateResult, createBatchedCreates } from './batched-creates.js';
import type { NewOrder, OrderBounds } from './new-order.js';

/** The jobs of an accepted order. */
export interface Accepted {
  /** The order was created before under the same Idempotency-Key; nothing was created now. */
  readonly replayed: boolean;
  /**
   * The caller already has a job with the alias of one of these. Its id is the one in `ids`, and nothing was created.
   */
  readonly aliased: boolean;
  readonly ids: readonly string[];
  /** The job of an order with one job; undefined if there are several. */
  readonly only: JobSnapshot | undefined;
}

/**
 * Every method fails with `queue_unavailable` while Redis is away. If replicas are waited for, `redis` must be a connection for orders only, because waiting blocks everything else on
 * it.
 */
export function createOrders(
  redis: Redis,
  keys: Keys,
  replication: Replication,
  payloads: Pick<Payloads, 'put'>,
  bounds: OrderBounds & { readonly jobTtlSeconds: number },
) {
  const write = createBatchedCreates(redis, keys, payloads, bounds);
  return {
    /**
     * Creates all jobs of the order durably and queues them, or none. Throws `queue_full`, `idempotency_key_reused`,
     * `job_not_found` if the jobs created under the order's Idempotency-Key have been deleted, and `storage_failed` if a
     * large text cannot be stored. After `queue_unavailable`, the order may have been created nevertheless.
     */
    create: (order: NewOrder) =>
      orUnavailable(async () => {
        requireFit(order, bounds.maxOpenJobs);
        const isReplicated = replication.begin();
        const written = await write(order);
        if ('ids' in written) return acknowledge(written, isReplicated);
        if (written.verdict === 'new') throw new Error('create was called with an order without jobs');
        throw refusal(written.verdict, order, bounds);
      }, NO_ANSWER),
    /** The order that was created before under this Idempotency-Key, if there is one. Throws like `create`. */
    replay: (caller: string, idempotency: NewOrder['idempotency'] & object) =>
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

const MAY_EXIST =
  'The job may have been created nevertheless: send the request again with the same Idempotency-Key, or look for it in GET /jobs.';
const NO_ANSWER = `The job queue did not answer in time. ${MAY_EXIST}`;
const TOO_FEW_COPIES = `The job queue does not have the required number of copies, so the job is not acknowledged. ${MAY_EXIST}`;

/** Only jobs that enough replicas have are acknowledged. */
async function acknowledge(
  { verdict, ids, only }: Extract<CreateResult, { ids: unknown }>,
  isReplicated: () => Promise<boolean>,
): Promise<Accepted> {
  if (await isReplicated()) {
    return { replayed: verdict === 'replayed', aliased: verdict === 'aliased', ids, only };
  }
  throw new FleetError('queue_unavailable', TOO_FEW_COPIES, { retryAfterSeconds: 1 });
}

/** Throws validation_failed if the order would not even fit into an empty queue. */
function requireFit({ jobs, mostWaiting = Number.POSITIVE_INFINITY }: NewOrder, maxOpenJobs: number): void {
  const most = Math.min(mostWaiting, maxOpenJobs);
  if (jobs.length <= most) return;
  const detail = `must have at most ${most} jobs, because no more may wait at a time`;
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
        'This Idempotency-Key was already used for another request. Use a new key for each new request.',
      );
    case 'gone':
      return new FleetError('job_not_found', 'The job that was created with this Idempotency-Key has been deleted.');
    case 'key_full':
      return queueFull(`This key may have ${mostWaiting} jobs waiting, and ${jobs.length} more would be too many.`);
    case 'large':
      return queueFull(
        `The waiting and ended jobs of this key may hold ${keyJobBytes} bytes, graphs and their extra data included. ` +
          'These jobs would exceed that. The oldest ended jobs are deleted within minutes.',
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
