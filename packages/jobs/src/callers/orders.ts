import { FleetError } from '@comfy-fleet/contracts';
import { batched, type Replication, retryOnTimeout } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { isLargeText, type Payloads, payloadFile } from '../record/payloads.js';
import { type JobSnapshot, parseSnapshot } from '../record/record.js';
import { affinityKeyOf } from '../record/request-keys.js';
import type { StoredSource } from '../record/workflows.js';
import { levelOf } from '../scheduling/choose.js';
import { isOwnGraph, type NewOrder, type OrderBounds, orderArguments, textsOf } from './new-order.js';

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
 * Maximum number of orders per script call, so that a burst of orders does not block Redis for long, and Redis works
 * while we prepare more.
 */
const MAX_ORDERS = 25;

/**
 * Orders of one turn of the event loop share a round trip and an fsync. Every method fails with `queue_unavailable` while
 * Redis is away. If replicas are waited for, `redis` must be a connection for orders only, because waiting blocks
 * everything else on it.
 */
export function createOrders(
  redis: Redis,
  keys: Keys,
  replication: Replication,
  payloads: Pick<Payloads, 'put'>,
  { jobTtlSeconds, ...bounds }: OrderBounds & { readonly jobTtlSeconds: number },
) {
  const run = async (orders: readonly string[]) => {
    const args = { ended_life: jobTtlSeconds * 1000 };
    // Repeating an order with the same ids changes nothing.
    const replies = await retryOnTimeout(() => runScript(redis, 'create', keys.callers, keys.prefix, args, orders));
    return JSON.parse(replies as string) as Reply[];
  };
  const runTogether = batched(run, { maxBatchSize: MAX_ORDERS });
  const sendWith = async (order: NewOrder, sources: readonly StoredSource[]): Promise<Reply> => {
    const text = JSON.stringify(orderArguments(order, bounds, sources));
    // Many jobs are enough for one script call.
    return order.jobs.length > 1 ? ((await run([text]))[0] as Reply) : runTogether(text);
  };
  /** Sources other than graphs of the caller's own are sent only if Redis lacks one. */
  const write = async (order: NewOrder): Promise<Reply> => {
    for (const job of order.jobs)
      for (const [kind, text] of textsOf(job))
        if (isLargeText(text)) await payloads.put(payloadFile(kind, job.id), text);
    const reply = await sendWith(order, []);
    const sources = order.jobs.flatMap((job) => (isOwnGraph(job) ? [] : (job.source ?? [])));
    return reply[0] === 'unstored' ? sendWith(order, sources) : reply;
  };
  /** Undefined if the order has no jobs and was not created before. */
  const submit = async (order: NewOrder): Promise<Accepted | undefined> => {
    const isReplicated = replication.begin();
    const [verdict, ids = [], only] = await write(order);
    if (verdict === 'new') return undefined;
    if (!isAccepted(verdict)) throw refusal(verdict, order, bounds);
    // Only jobs that enough replicas have are acknowledged.
    if (!(await isReplicated())) throw new FleetError('queue_unavailable', TOO_FEW_COPIES, { retryAfterSeconds: 1 });
    const snapshot = only === undefined ? undefined : parseSnapshot(only);
    return { replayed: verdict === 'replayed', aliased: verdict === 'aliased', ids, only: snapshot };
  };
  return {
    /**
     * Creates all jobs of the order durably and queues them, or none. Throws `queue_full`, `idempotency_key_reused`,
     * `job_not_found` if the jobs created under the order's Idempotency-Key have been deleted, and `storage_failed` if a
     * large text cannot be stored. After `queue_unavailable`, the order may have been created nevertheless.
     */
    create: (order: NewOrder) =>
      orUnavailable(async () => {
        requireFit(order, bounds.maxOpenJobs);
        return (await submit(order)) as Accepted;
      }, NO_ANSWER),
    /** The order that was created before under this Idempotency-Key, if there is one. Throws like `create`. */
    replay: (caller: string, idempotency: NewOrder['idempotency'] & object) =>
      orUnavailable(() => submit({ caller, idempotency, jobs: [] })),
  };
}

/** See lua/create.lua. */
type Reply = readonly [verdict: Verdict, ids?: readonly string[], only?: unknown];
type AcceptedVerdict = 'made' | 'replayed' | 'aliased';
type Refused = 'unstored' | 'reused' | 'gone' | 'full' | 'key_full' | 'diverse' | 'large';
type Verdict = AcceptedVerdict | 'new' | Refused;

function isAccepted(verdict: AcceptedVerdict | Refused): verdict is AcceptedVerdict {
  return verdict === 'made' || verdict === 'replayed' || verdict === 'aliased';
}

const MAY_EXIST =
  'The job may have been created nevertheless: send the request again with the same Idempotency-Key, or look for it in GET /jobs.';
const NO_ANSWER = `The job queue did not answer in time. ${MAY_EXIST}`;
const TOO_FEW_COPIES = `The job queue does not have the required number of copies, so the job is not acknowledged. ${MAY_EXIST}`;

const { MOST_AFFINITY_QUEUES } = LUA_CONSTANTS;
const KINDS = `${MOST_AFFINITY_QUEUES} kinds, which differ in their workflow, models, options, level of detail or priority`;

/** Throws validation_failed if the order would not even fit into an empty queue. */
function requireFit({ jobs, mostWaiting = Number.POSITIVE_INFINITY }: NewOrder, maxOpenJobs: number): void {
  const most = Math.min(mostWaiting, maxOpenJobs);
  if (jobs.length > most) throw tooMany(`must have at most ${most} jobs, because no more may wait at a time`);
  if (jobs.length <= MOST_AFFINITY_QUEUES) return;
  const kinds = new Set(jobs.map(({ request }) => `${levelOf(request)} ${affinityKeyOf(request)}`));
  if (kinds.size > MOST_AFFINITY_QUEUES) throw tooMany(`must have jobs of at most ${KINDS}`);
}

function tooMany(detail: string): FleetError {
  return new FleetError('validation_failed', `/jobs ${detail}.`, { errors: [{ pointer: '/jobs', detail }] });
}

function refusal(
  verdict: Refused,
  { mostWaiting, jobs }: NewOrder,
  { maxOpenJobs, keyJobBytes }: OrderBounds,
): FleetError {
  switch (verdict) {
    case 'unstored':
      throw new Error('Redis did not keep the sources of workflows');
    case 'reused':
      return new FleetError(
        'idempotency_key_reused',
        'This Idempotency-Key was already used for another request. Use a new key for each new request.',
      );
    case 'gone':
      return new FleetError('job_not_found', 'The job that was created with this Idempotency-Key has been deleted.');
    case 'key_full':
      return queueFull(`This key may have ${mostWaiting} jobs waiting, and ${jobs.length} more would be too many.`);
    case 'diverse':
      return queueFull(`The waiting jobs of a key may be of ${KINDS}. These jobs would exceed that.`);
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
