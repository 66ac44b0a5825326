import DataLoader from 'dataloader';
import type { Redis } from 'ioredis';
import { runScript } from './connection.js';
import type { Keys } from './keys.js';
import { type NewOrder, type OrderBounds, orderArguments } from './new-order.js';
import { newRecord } from './new-record.js';
import type { JobSnapshot } from './record.js';
import { parseSnapshot } from './snapshots.js';

/** Orders written by one script call, so that a burst of callers cannot hold up Redis for long. */
const MOST_AT_ONCE = 100;

/** Before the first event. */
const NO_EVENT = '0-0';

/** One job as the script left it, or found it. */
export interface WrittenJob {
  readonly id: string;
  readonly pool: string;
  readonly rank: number;
  /** Empty for one that was deleted since. */
  readonly phase: string;
}

/**
 * What became of an order. `replayed`: it was made before under its Idempotency-Key; `new`: it has no jobs, and was not;
 * `reused`: the key was used for another request; `gone`: the jobs it made were deleted since; `full`: there are too many
 * open jobs; `waiting`: the caller has too many that wait.
 */
export type Written =
  | {
      readonly verdict: 'ok' | 'replayed';
      readonly jobs: readonly WrittenJob[];
      readonly only: JobSnapshot | undefined;
    }
  | { readonly verdict: 'new' | 'reused' | 'gone' | 'full' | 'waiting' };

/** Writes orders; those of one turn of the event loop travel in one round trip, and are on disk after one fsync. */
export function createBatchedCreates(
  redis: Redis,
  keys: Keys,
  { jobTtlSeconds, ...bounds }: OrderBounds & { readonly jobTtlSeconds: number },
): (order: NewOrder) => Promise<Written> {
  const write = async (orders: readonly NewOrder[]): Promise<Written[]> => {
    const args = [keys.prefix, '', jobTtlSeconds * 1000, ...orders.flatMap((order) => orderArguments(order, bounds))];
    return ((await runScript(redis, 'create', keys.callers, args)) as Reply[]).map((reply, index) =>
      parseReply(reply, orders[index] as NewOrder),
    );
  };
  const loader = new DataLoader<NewOrder, Written>(write, {
    cache: false,
    maxBatchSize: MOST_AT_ONCE,
    batchScheduleFn: setImmediate,
  });
  const alone = async (order: NewOrder): Promise<Written> => (await write([order]))[0] as Written;
  // An order of many jobs keeps Redis busy long enough by itself.
  return (order) => (order.jobs.length > 1 ? alone(order) : loader.load(order));
}

/** id, pool, rank, phase; of a job made now its creation and start deadline, and perhaps how many are ahead of it. */
type JobReply = readonly [string, string, string | number, string, string?, string?, number?];
type Reply =
  | readonly [verdict: 'ok' | 'replayed', jobs: readonly JobReply[], only?: unknown]
  | readonly [verdict: 'new' | 'reused' | 'gone' | 'full' | 'waiting'];

function parseReply(reply: Reply, order: NewOrder): Written {
  const [verdict] = reply;
  if (verdict !== 'ok' && verdict !== 'replayed') return { verdict };
  const [, jobs, snapshot] = reply as Extract<Reply, { 1: unknown }>;
  return {
    verdict,
    jobs: jobs.map(([id, pool, rank, phase]) => ({ id, pool, rank: Number(rank), phase })),
    only: snapshot === undefined ? onlyOf(jobs, order) : parseSnapshot(snapshot),
  };
}

function onlyOf([reply]: readonly JobReply[], { jobs, caller }: NewOrder): JobSnapshot | undefined {
  const [job, another] = jobs;
  if (reply === undefined || job === undefined || another !== undefined) return undefined;
  const [, , rank, , createdAt, startDeadline, ahead = 0] = reply;
  const creation = { rank: Number(rank), createdAt: Number(createdAt), startDeadline: Number(startDeadline) };
  return { record: newRecord(job, caller, creation), ahead, lastEventId: NO_EVENT };
}
