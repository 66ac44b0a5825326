import { joined } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { type JobRecord, type JobSnapshot, NO_PROGRESS } from '../record/record.js';
import { parsePlace, parseSnapshot, type ScriptPlace } from '../record/snapshots.js';
import { storeSources } from '../workflows/sources.js';
import { type RequestCount, requestCount } from './batched-reads.js';
import { type NewOrder, type OrderBounds, orderArguments, type StoredSource } from './new-order.js';

/** Orders written by one script call: a burst of callers cannot hold up Redis for long, and Redis works while we do. */
const ENOUGH = 25;

/** Before the first event. */
const NO_EVENT = '0-0';

/**
 * What became of an order. `again`: the same order was sent twice; `replayed`: it was made before under its
 * Idempotency-Key; `aliased`: a living job of the caller has an alias of its jobs; `new`: it has no jobs, and was not; `reused`: the key was used for another request; `gone`: the jobs it made were deleted since; `full`: there are too many
 * open jobs; `waiting`: the caller has too many that wait; `limited`: the caller sent too many requests.
 */
export type Written = { readonly counted: RequestCount | undefined } & (
  | {
      readonly verdict: 'made' | 'again' | 'replayed' | 'aliased';
      readonly ids: readonly string[];
      readonly only: JobSnapshot | undefined;
    }
  | { readonly verdict: 'new' | 'reused' | 'gone' | 'full' | 'waiting' | 'limited' }
);

/**
 * Writes orders; those of one turn of the event loop travel in one round trip, and are on disk after one fsync. The source of
 * a workflow is sent only when Redis says that it lacks it.
 */
export function createBatchedCreates(
  redis: Redis,
  keys: Keys,
  { jobTtlSeconds, ...bounds }: OrderBounds & { readonly jobTtlSeconds: number },
): (order: NewOrder) => Promise<Written> {
  const write = async (orders: readonly NewOrder[]): Promise<Sent[]> => {
    const args = [keys.prefix, '', jobTtlSeconds * 1000, ...orders.flatMap((order) => orderArguments(order, bounds))];
    return ((await runScript(redis, 'create', keys.callers, args)) as Reply[]).map((reply, index) =>
      parseReply(reply, orders[index] as NewOrder),
    );
  };
  const load = joined<NewOrder, Sent>(write, { enough: ENOUGH });
  const alone = async (order: NewOrder): Promise<Sent> => (await write([order]))[0] as Sent;
  // An order of many jobs keeps Redis busy long enough by itself.
  const send = (order: NewOrder) => (order.jobs.length > 1 ? alone(order) : load(order));
  return async (order) => {
    const sent = await send(order);
    if (sent.verdict !== 'unstored') return sent;
    await storeSources(redis, keys, sourcesOf(order, sent.versions));
    const written = await send(order);
    if (written.verdict === 'unstored') throw new Error('the sources of workflows are not kept');
    return written;
  };
}

function sourcesOf({ jobs }: NewOrder, versions: readonly string[]): StoredSource[] {
  return versions.flatMap((version) => jobs.find(({ source }) => source?.version === version)?.source ?? []);
}

/** Redis lacks the sources of these versions, and nothing was made. */
type Sent =
  | Written
  | { readonly counted: undefined; readonly verdict: 'unstored'; readonly versions: readonly string[] };

type Reply = readonly [count: readonly [requests: number, resetMs: number] | null, ...verdict: Verdict];
type Verdict =
  | readonly [verdict: 'made', ids: string[], createdAt: string, startDeadline: string, place: ScriptPlace]
  | readonly [verdict: 'again' | 'replayed' | 'aliased', ids: string[], only?: unknown]
  | readonly [verdict: 'unstored', versions: string[]]
  | readonly [verdict: 'new' | 'reused' | 'gone' | 'full' | 'waiting' | 'limited'];

function parseReply([count, ...reply]: Reply, order: NewOrder): Sent {
  const counted = count === null ? undefined : requestCount(count);
  const [verdict, ids] = reply;
  switch (verdict) {
    case 'made':
      return { counted, verdict, ids, only: ids.length === 1 ? newSnapshot(reply, order) : undefined };
    case 'again':
    case 'replayed':
    case 'aliased':
      return { counted, verdict, ids, only: reply[2] === undefined ? undefined : parseSnapshot(reply[2]) };
    case 'unstored':
      return { counted: undefined, verdict, versions: ids };
    default:
      return { counted, verdict };
  }
}

/** The job as it was made this moment, without reading it back. */
function newSnapshot(
  [, , createdAt, startDeadline, place]: Extract<Verdict, readonly ['made', ...unknown[]]>,
  { jobs: [job], caller }: NewOrder,
): JobSnapshot | undefined {
  if (job === undefined) return undefined;
  const { id, kind, pool, request, parent = null, callback = null, traceparent = null } = job;
  const { alias = null, client = null, origin } = job;
  const record: JobRecord = {
    id,
    kind,
    lod: request.lod,
    pool,
    key: caller,
    parent,
    callback,
    workflow: request.workflow,
    request,
    status: 'queued',
    phase: 'waiting',
    createdAt: Number(createdAt),
    startDeadline: Number(startDeadline),
    startedAt: null,
    finishedAt: null,
    progress: NO_PROGRESS,
    outputs: [],
    error: null,
    timings: null,
    instance: null,
    promptId: null,
    submissions: 0,
    attempts: 0,
    orphanedMs: null,
    deaths: 0,
    kills: 0,
    refusals: 0,
    ooms: 0,
    faults: [],
    retriedAfter: null,
    claim: 0,
    worker: null,
    comfyKey: null,
    traceparent,
    alias,
    client,
    hasOrigin: origin !== undefined,
    isHidden: false,
  };
  return { record, ...parsePlace(place), lastEventId: NO_EVENT };
}
